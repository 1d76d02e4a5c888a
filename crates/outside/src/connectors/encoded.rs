//! JSON with a document in it: encoded once, straight into a buffer that is wiped.
//! It must not know whose JSON it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::connections::{ConnectorResult, ErrorClass};
use serde_json::Value;
use zeroize::Zeroizing;

use super::calls::error;

/// Stands for the document until it is encoded in its place. No other value may
/// have control characters in it.
pub(crate) const PLACE: &str = "\u{1}file\u{1}";
/// [`PLACE`] as JSON writes it.
const WRITTEN: &str = "\"\\u0001file\\u0001\"";

/// The JSON, with these bytes in Base64 where [`PLACE`] stands.
///
/// # Errors
/// [`ErrorClass::Invalid`] where there is no one place for them.
pub(crate) fn with_encoded(value: &Value, bytes: &[u8]) -> ConnectorResult<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(value.to_string());
    let (before, after) = text
        .split_once(WRITTEN)
        .filter(|(_, after)| !after.contains(WRITTEN))
        .ok_or_else(|| error(ErrorClass::Invalid))?;
    let len = text.len() + bytes.len().div_ceil(3) * 4 + 16;
    let mut body = Zeroizing::new(String::with_capacity(len));
    body.push_str(before);
    body.push('"');
    STANDARD.encode_string(bytes, &mut body);
    body.push('"');
    body.push_str(after);
    Ok(Zeroizing::new(std::mem::take(&mut *body).into_bytes()))
}
