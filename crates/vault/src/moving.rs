//! Moving a record to another compartment: every version is sealed anew under
//! a new batch key, so that who could open it where it was learns nothing of
//! what comes, and who may read where it goes can open all of it.

use chartkey_fhir::{Compartment, Limits, plan_import};

use crate::{
    Id,
    client::{Act, Client},
    error::VaultError,
    import::digest_of,
    keys::VersionKey,
    patient::OpenPatient,
    protocol::{NewSealedRecord, SealedMove, SealedPage, WriteOutcome},
    read::{BatchKeys, OpenRecord},
    record::{self, BodyKind, Place, content_tag},
    transport::{MaybeSend, Transport},
    write::{NewBatch, Writer},
};

/// How often a move is prepared anew when the record moved on.
const TRIES: usize = 8;

impl<T: Transport + MaybeSend> Client<T> {
    /// Moves a record: managers only. What authors signed stays as it is;
    /// large bodies are sealed anew as well.
    pub async fn move_record(
        &mut self,
        patient: Id,
        record: Id,
        to: Compartment,
        act: &mut Act<'_>,
    ) -> Result<WriteOutcome, VaultError> {
        for _ in 0..TRIES {
            let open = self.settle(patient, act).await?;
            open.manager()?;
            let pages = self.all_versions(patient, record).await?;
            let sealed = self.seal_move(&open, record, to, &pages, act).await?;
            match self.transport.move_record(sealed).await {
                Err(e) if e.is_conflict() => {}
                other => return other,
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    /// Every version of a record, the first first.
    async fn all_versions(&self, patient: Id, record: Id) -> Result<Vec<SealedPage>, VaultError> {
        let newest = self.transport.find(record).await?;
        let found = newest.items.first().ok_or(VaultError::NoKey)?;
        if found.id != record || found.patient != patient {
            return Err(VaultError::Statement("another record"));
        }
        let mut pages = Vec::new();
        for version in 1..found.version {
            pages.push(self.transport.find_version(record, version).await?);
        }
        pages.push(newest);
        Ok(pages)
    }

    async fn seal_move(
        &self,
        open: &OpenPatient,
        record: Id,
        to: Compartment,
        pages: &[SealedPage],
        act: &mut Act<'_>,
    ) -> Result<SealedMove, VaultError> {
        let writer = Writer {
            chain: &open.chain,
            grants_version: open.grants_version,
            seed: Some(open.keys.newest_seed()?),
            author: None,
        };
        let batch = NewBatch::random(act.now, act.rng);
        let mut versions = Vec::with_capacity(pages.len());
        for (page, version) in pages.iter().zip(1..) {
            let place = Place {
                patient: open.keys.patient(),
                record,
                version,
            };
            let mut sealed = self.reseal(open, page, place, &batch, act).await?;
            let key = VersionKey::derive(&batch.key, record, version);
            sealed.extra = writer.seal_extra(place, to, &key, act.now, act.rng);
            versions.push(sealed);
        }
        Ok(SealedMove {
            patient: open.keys.patient(),
            record,
            grants_version: open.grants_version,
            batches: vec![writer.seal_batch(&batch, to, act.now, act.rng)?],
            versions,
        })
    }

    async fn reseal(
        &self,
        open: &OpenPatient,
        page: &SealedPage,
        place: Place,
        batch: &NewBatch,
        act: &mut Act<'_>,
    ) -> Result<NewSealedRecord, VaultError> {
        let found = page
            .items
            .iter()
            .find(|r| r.id == place.record && r.version == place.version)
            .ok_or(VaultError::Statement("another version"))?;
        let blob = match (&found.body, found.blob) {
            (None, Some(blob)) => Some(self.transport.find_blob(blob).await?),
            _ => None,
        };
        let body = found.body.as_ref().map(|b| b.0.as_slice());
        let body = body.or(blob.as_deref());
        let body = body.ok_or(VaultError::Input("the body was not fetched"))?;
        let batches = BatchKeys::of_page(page, &open.keys, Some(&self.account));
        let old = batches.version_key(found, &open.keys)?;
        let opened = OpenRecord::open(found, &open.keys, &batches)?;
        let content = opened.open_body(found, Some(body))?;
        let new = VersionKey::derive(&batch.key, place.record, place.version);
        let sealed = record::reseal_version(
            (&old, &found.commitment),
            &new,
            place,
            &found.header,
            body,
            act.rng,
        )?;
        let (body, blob) = match blob {
            Some(_) => {
                let patient = place.patient;
                let blob = self.upload(patient, &sealed.body.0, act).await?;
                (None, Some(blob))
            }
            None => (Some(sealed.body), None),
        };
        let dedup = open.keys.newest_seed()?.dedup_key();
        Ok(NewSealedRecord {
            id: place.record,
            version: place.version,
            batch: batch.id,
            supporting: found.supporting,
            header: sealed.header,
            body,
            blob,
            commitment: sealed.commitment,
            identity_tag: None,
            content_tag: content_tag(&dedup, &canonical(opened.header.fields.body, &content)),
            extra: Vec::new(),
        })
    }
}

/// What the content tag of a body is over, as imports have it.
fn canonical(kind: BodyKind, content: &[u8]) -> Vec<u8> {
    if kind == BodyKind::Resource
        && let Ok(plan) = plan_import(content, Some("application/fhir+json"), &Limits::default())
        && let [item] = plan.items.as_slice()
    {
        return item.canonical.clone();
    }
    digest_of(content).to_vec()
}
