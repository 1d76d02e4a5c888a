//! What a connection's settings say to its adapter: JSON of the adapter's own
//! shape, refused as a whole where it says anything unknown. This module must
//! not know what any of them mean.

use chartkey_domain::connections::{ConnectorResult, Endpoint, ErrorClass};
use serde::de::DeserializeOwned;

use super::calls::error;

/// Reads an endpoint's settings; nothing set is an empty object.
///
/// # Errors
/// [`ErrorClass::Invalid`].
pub(crate) fn read<T: DeserializeOwned>(endpoint: &Endpoint) -> ConnectorResult<T> {
    let settings = if endpoint.settings.is_null() {
        serde_json::Value::Object(serde_json::Map::new())
    } else {
        endpoint.settings.clone()
    };
    serde_json::from_value(settings).map_err(|_| error(ErrorClass::Invalid))
}
