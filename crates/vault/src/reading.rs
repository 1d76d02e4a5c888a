//! Reading a patient's records: every header, one record with its content.

use chartkey_crypto::SecretBytes;

use crate::{
    Id,
    client::{Authorship, Client},
    error::VaultError,
    patient::{OpenPatient, ReadKeys},
    protocol::{SealedPage, SealedRecord},
    read::{BatchKeys, OpenRecord},
    transport::{MaybeSend, SealedQuery, Transport},
};

/// Records of one page of a list.
const PAGE: u32 = 500;

/// A record with its header open.
#[derive(Debug)]
pub struct Listed {
    /// As it came.
    pub sealed: SealedRecord,
    /// What it says.
    pub open: OpenRecord,
}

/// Every record that somebody may read, headers open.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest stored first.
    pub records: Vec<Listed>,
    /// Those that the server offered and that do not open: never hidden, since
    /// something is wrong with them.
    pub unopened: Vec<Id>,
}

/// A record, read and checked.
#[derive(Debug)]
pub struct ReadRecord {
    /// The record.
    pub record: Listed,
    /// Its content.
    pub content: SecretBytes,
    /// Who wrote it.
    pub authorship: Authorship,
}

impl Listing {
    /// Opens what a page holds and adds it.
    pub fn take(&mut self, page: SealedPage, keys: &ReadKeys, batches: &BatchKeys) {
        for sealed in page.items {
            match OpenRecord::open(&sealed, keys, batches) {
                Ok(open) => self.records.push(Listed { sealed, open }),
                Err(_) => self.unopened.push(sealed.id),
            }
        }
    }
}

impl<T: Transport + MaybeSend> Client<T> {
    /// Lists a patient's records, headers only. Signatures are checked when
    /// one is read.
    pub async fn list(&self, open: &OpenPatient, supporting: bool) -> Result<Listing, VaultError> {
        let mut listing = Listing::default();
        let mut query = SealedQuery {
            headers_only: true,
            supporting,
            limit: Some(PAGE),
            ..SealedQuery::default()
        };
        loop {
            let page = self.transport.list(open.keys.patient(), &query).await?;
            let next = page.next.clone();
            let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
            listing.take(page, &open.keys, &batches);
            match next {
                Some(next) if query.cursor.as_ref() != Some(&next) => query.cursor = Some(next),
                _ => return Ok(listing),
            }
        }
    }

    /// Reads one record with its content, and checks who wrote it.
    pub async fn read(
        &mut self,
        open: &OpenPatient,
        record: Id,
        version: Option<u32>,
    ) -> Result<ReadRecord, VaultError> {
        let mut page = match version {
            Some(version) => self.transport.find_version(record, version).await?,
            None => self.transport.find(record).await?,
        };
        let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
        let sealed = page.items.pop().ok_or(VaultError::NoKey)?;
        let asked = version.is_none_or(|v| v == sealed.version);
        if sealed.id != record || sealed.patient != open.keys.patient() || !asked {
            return Err(VaultError::Statement("another record"));
        }
        let opened = OpenRecord::open(&sealed, &open.keys, &batches)?;
        let authorship = self.verify_record(open, &sealed, &opened).await?;
        let blob = match sealed.blob {
            Some(blob) => Some(self.transport.find_blob(blob).await?),
            None => None,
        };
        let content = opened.open_body(&sealed, blob.as_deref())?;
        Ok(ReadRecord {
            record: Listed {
                sealed,
                open: opened,
            },
            content,
            authorship,
        })
    }
}
