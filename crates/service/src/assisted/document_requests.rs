//! Messages of requests for documents, for managers who let the server hold their
//! keys for one request.

use std::collections::BTreeMap;

use chartkey_domain::ids::DocumentRequestId;
use chartkey_vault::Bytes;
use chartkey_vault::asking::open_words;
use zeroize::Zeroizing;

use super::{Assisted, AssistedFailure};
use crate::document_requests::DocumentRequest;

impl Assisted {
    /// The messages of requests about patients whom the caller manages.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn document_request_words(
        &mut self,
        requests: &[DocumentRequest],
    ) -> Result<BTreeMap<DocumentRequestId, Zeroizing<String>>, AssistedFailure> {
        let mut words = BTreeMap::new();
        for request in requests {
            let row = &request.row;
            if !self.opens_for(row.patient).await? {
                continue;
            }
            let keys = self.read_keys(row.patient, false).await?;
            let sealed = Bytes(row.message_sealed.clone());
            let open = open_words(&keys, row.id.0, row.asked_by.0, &sealed);
            if let Some(text) = open.ok().and_then(|o| String::from_utf8(o.into_vec()).ok()) {
                words.insert(row.id, Zeroizing::new(text));
            }
        }
        Ok(words)
    }
}
