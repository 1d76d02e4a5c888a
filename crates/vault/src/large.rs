//! Bodies that are too large to lie in a message: sealed as ever, and sent in
//! parts before the record that names them.

use chartkey_crypto::stream;

use crate::{
    Id,
    client::{Act, Client},
    error::VaultError,
    import::{Imported, NewRecord, content_identity, digest_of},
    keys::VersionKey,
    protocol::KnownTagsRequest,
    record::{Fields, Place, body_hash, body_seal, content_tag, identity_tag},
    transport::{MaybeSend, Transport},
    write::{Draft, DraftBody, NewBatch, new_id},
};

/// Largest content that goes into a message, in bytes; the server takes sealed
/// bodies of up to 4 MiB there, padding included.
pub const MAX_INLINE: usize = 3 << 20;
/// Bytes of one part.
const PART: usize = 4 << 20;
/// How often the record is written anew when its patient's moved on.
const TRIES: usize = 8;

impl<T: Transport + MaybeSend> Client<T> {
    /// Sends a sealed body in parts; says what it is called.
    pub(crate) async fn upload(
        &self,
        patient: Id,
        sealed: &[u8],
        act: &mut Act<'_>,
    ) -> Result<Id, VaultError> {
        let blob = new_id(act.now, act.rng);
        let len = sealed.len() as u64;
        let mut offset = 0;
        for part in sealed.chunks(PART) {
            let end = offset + part.len() as u64;
            let finish = (end == len).then_some(len);
            let part = part.to_vec();
            self.transport
                .put_blob(patient, blob, offset, part, finish)
                .await?;
            offset = end;
        }
        Ok(blob)
    }

    /// Adds one large file. The same again changes nothing.
    pub(crate) async fn add_large(
        &mut self,
        patient: Id,
        new: NewRecord,
        source: &str,
        author_name: Option<&str>,
        act: &mut Act<'_>,
    ) -> Result<Imported, VaultError> {
        let mut open = self.settle(patient, act).await?;
        let digest = digest_of(&new.content);
        let identity = content_identity(&digest);
        let keys = self.dedup_keys(&open);
        let newest = keys.first().ok_or(VaultError::NoKey)?;
        let tags = keys.iter().map(|k| identity_tag(k, source, "", &identity));
        let request = KnownTagsRequest {
            patient,
            tags: tags.collect(),
        };
        if let Some(known) = self.transport.known(request).await?.items.first() {
            return Ok(Imported {
                unchanged: 1,
                known: vec![known.id],
                ..Imported::default()
            });
        }
        let batch = NewBatch::random(act.now, act.rng);
        let place = Place {
            patient,
            record: new_id(act.now, act.rng),
            version: 1,
        };
        let key = VersionKey::derive(&batch.key, place.record, place.version);
        let (body_key, aad) = body_seal(&key, place);
        let sealed = stream::seal_content(&body_key, &aad, &new.content, act.rng);
        let blob = self.upload(patient, &sealed, act).await?;
        let hash = body_hash(&new.content);
        let mut draft = Draft {
            record: place.record,
            version: place.version,
            previous: None,
            compartment: new.compartment,
            supporting: false,
            fields: Fields {
                body: new.body,
                content_type: new.content_type,
                size: new.content.len() as u64,
                file_name: new.file_name,
                header: new.header,
                author_name: author_name.map(str::to_owned),
            },
            body: DraftBody::Blob { blob, hash, batch },
            identity_tag: Some(identity_tag(newest, source, "", &identity)),
            content_tag: content_tag(newest, &digest),
        };
        for _ in 0..TRIES {
            let drafts = [draft];
            let written = match self.seal_write(&open, &drafts, act) {
                Ok(write) => self.transport.write(write).await,
                Err(e) => Err(e),
            };
            match written {
                Ok(_) => {
                    return Ok(Imported {
                        created: 1,
                        written: vec![place.record],
                        ..Imported::default()
                    });
                }
                Err(e) if e.is_conflict() => open = self.settle(patient, act).await?,
                Err(e) => return Err(e),
            }
            let [again] = drafts;
            draft = again;
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }
}
