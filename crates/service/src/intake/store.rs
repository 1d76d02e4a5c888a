//! What was gathered of a page, sealed and stored in one write: records,
//! versions, what the source has, deliveries to destinations, and how far the
//! run came. All of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_domain::grants::GrantStatus;
use chartkey_domain::ids::{AccountId, BatchId, BlobId, GrantId, PatientId, RecordId, SyncId};
use chartkey_domain::records::{RecordFacts, RecordTypes};
use chartkey_domain::sessions::after;
use chartkey_domain::sync::Counts;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_fhir::Compartment;
use chartkey_store::batches::{self, BatchRow, EnvelopeRow};
use chartkey_store::connections::AttachmentRow;
use chartkey_store::patients::{self as patient_rows, PatientRow};
use chartkey_store::records::{self as record_rows, RecordRow, VersionRow};
use chartkey_store::sync::{self as rows, ItemRow};
use chartkey_store::{Reader, StoreError, Tx, grants, shares};
use chartkey_vault::Id;
use chartkey_vault::chain::Chain;
use chartkey_vault::delivery::seal_version_key;
use chartkey_vault::error::VaultError;
use chartkey_vault::keys::VersionKey;
use chartkey_vault::protocol::{NewSealedRecord, SealedWrite, ServerEnd};
use chartkey_vault::record::Place;
use chartkey_vault::write::{Draft, DraftBody, Writer};
use chartkey_vault::{Bytes, Bytes32};
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::Intake;
use crate::connections::SyncFailure;
use crate::delivery::{self, Reach, Written};
use crate::patients::{covers, grant_facts, signed};
use crate::records::{sealed_hash, to_kind};
use crate::{Failure, Service, events, trail};

/// How often a portion is sealed anew because the patient's grants moved on.
const TRIES: usize = 6;

/// What is known of something at a source.
#[derive(Clone)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It became this record.
    There {
        /// As it was last seen.
        item: ItemRow,
        /// The record.
        record: Box<RecordRow>,
        /// Commitment of its current version.
        commitment: [u8; 32],
    },
    /// It became a record that was deleted since: it stays deleted.
    Gone(ItemRow),
}

impl Known {
    /// The item to keep, where the content is what is there.
    pub fn same(
        &self,
        content: [u8; 32],
        served: [u8; 32],
        changed_at: Option<Timestamp>,
    ) -> Option<ItemRow> {
        match self {
            Self::There { item, .. } if item.content_tag == content => Some(ItemRow {
                served_tag: served,
                changed_at,
                ..item.clone()
            }),
            _ => None,
        }
    }

    /// Record, version and previous commitment of what comes next.
    pub fn next(&self, new: impl FnOnce() -> Id) -> (Id, u32, Option<Bytes32>) {
        match self {
            Self::There {
                record, commitment, ..
            } => (
                record.id.0,
                record.version.saturating_add(1),
                Some(Bytes32(*commitment)),
            ),
            Self::New | Self::Gone(_) => (new(), 1, None),
        }
    }

    /// Where it goes: a new version stays where the record is, and may only
    /// become more sensitive.
    pub fn compartment(&self, placement: Compartment) -> Compartment {
        match self {
            Self::There { record, .. } => Compartment::new(
                record.compartment.record_type,
                record.compartment.kinds.union(placement.kinds),
            ),
            Self::New | Self::Gone(_) => placement,
        }
    }
}

/// One version to be sealed.
pub(super) struct Piece {
    /// The draft.
    pub draft: Draft,
    /// What it is at the source.
    pub tag: [u8; 32],
    /// What was served.
    pub served: [u8; 32],
    /// When it last changed, as the source says.
    pub changed_at: Option<Timestamp>,
}

impl Piece {
    /// How it counts.
    pub fn counts(&self) -> Counts {
        let one = u64::from(!self.draft.supporting);
        let is_new = self.draft.version == 1;
        Counts {
            created: if is_new { one } else { 0 },
            updated: if is_new { 0 } else { one },
            ..Counts::default()
        }
    }

    fn len(&self) -> usize {
        match &self.draft.body {
            DraftBody::Open(bytes) => bytes.len(),
            DraftBody::Blob { .. } => 0,
        }
    }

    fn item(&self) -> ItemRow {
        ItemRow {
            tag: self.tag,
            record: RecordId(self.draft.record),
            served_tag: self.served,
            content_tag: self.draft.content_tag.0,
            changed_at: self.changed_at,
        }
    }
}

/// What is gathered for one write.
pub(super) struct Portion {
    run: SyncId,
    query: String,
    pieces: Vec<Piece>,
    touched: Vec<ItemRow>,
    bytes: usize,
}

impl Portion {
    pub fn new(run: SyncId, query: String) -> Self {
        Self {
            run,
            query,
            pieces: Vec::new(),
            touched: Vec::new(),
            bytes: 0,
        }
    }

    pub fn push(&mut self, piece: Piece) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Something is there as it was: only that it was seen is kept.
    pub fn touch(&mut self, item: ItemRow) {
        self.touched.push(item);
    }

    /// What was gathered, given back.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    pub fn take(&mut self) -> Self {
        let empty = Self::new(self.run, self.query.clone());
        std::mem::replace(self, empty)
    }
}

/// The state that a portion is sealed against.
pub(super) struct Against {
    /// The patient, at a version of their grants.
    pub row: PatientRow,
    chain: Chain,
    /// Their destinations.
    pub reaches: Vec<Reach>,
}

impl Against {
    /// As it is now.
    pub async fn load(service: &Service, patient: PatientId) -> Result<Self, SyncFailure> {
        let now = service.now();
        service
            .store()
            .read("intake.chain", move |db| {
                let row = patient_rows::lookup(db, patient)?
                    .ok_or(Failure::Internal("a patient that is gone"))?;
                let statements = patient_rows::list_statements(db, patient)?
                    .into_iter()
                    .map(signed)
                    .collect::<Result<Vec<_>, StoreError>>()?;
                let mut chain = Chain::verify(patient.0, &statements, None)?;
                let ended: Vec<ServerEnd> = grants::list_of_patient(db, patient)?
                    .into_iter()
                    .filter_map(|g| g.ended_at.map(|at| ServerEnd { grant: g.id.0, at }))
                    .collect();
                chain.note_ended(&ended);
                let reaches = Reach::list(db, patient, now)?;
                Ok::<_, SyncFailure>(Self {
                    row,
                    chain,
                    reaches,
                })
            })
            .await
    }
}

/// A portion, sealed.
pub(super) struct Sealed {
    /// What is to be stored.
    pub write: SealedWrite,
    hashes: Vec<[u8; 32]>,
    deliveries: Vec<(usize, Id, Bytes)>,
}

/// Whether who put the patient on a source may add to the record now: a manager
/// anything, whoever holds grants the types that these let write.
pub(crate) fn may_add(
    db: &mut Reader,
    attached: &AttachmentRow,
    now: Timestamp,
) -> Result<Option<Option<RecordTypes>>, StoreError> {
    may_add_by(db, attached.patient, attached.attached_by, now)
}

/// [`may_add`] for an account and a patient.
pub(crate) fn may_add_by(
    db: &mut Reader,
    patient: PatientId,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Option<RecordTypes>>, StoreError> {
    if patient_rows::list_managers(db, patient)?.contains(&account) {
        return Ok(Some(None));
    }
    if !delivery::may_act(db, account)? {
        return Ok(None);
    }
    let mut types = RecordTypes::EMPTY;
    for grant in grants::list_held_on(db, patient, account)? {
        let facts = grant_facts(db, &grant)?;
        if facts.status(now) == GrantStatus::Active {
            types = types.union(facts.write_types);
        }
    }
    Ok((!types.is_empty()).then_some(Some(types)))
}

impl Intake<'_> {
    /// What is known by these tags.
    pub(super) async fn known(&self, tags: Vec<[u8; 32]>) -> Result<Vec<Known>, SyncFailure> {
        let (connection, patient) = (self.opened.row.id, self.attached.patient);
        self.service
            .store()
            .read("intake.known", move |db| {
                let mut found = Vec::with_capacity(tags.len());
                for tag in &tags {
                    let item = rows::lookup_item(db, connection, patient, tag)?;
                    let record = record_rows::lookup_by_tag(db, patient, tag)?;
                    found.push(match (item, record) {
                        (Some(item), Some((record, version))) => Known::There {
                            item,
                            record: Box::new(record),
                            commitment: version.commitment,
                        },
                        (Some(item), None) => Known::Gone(item),
                        (None, _) => Known::New,
                    });
                }
                Ok::<_, SyncFailure>(found)
            })
            .await
    }

    /// Seals and stores a portion; with the checkpoint, where it is the page's
    /// last. False where the run is somebody else's by now.
    pub(super) async fn store(
        &self,
        mut portion: Portion,
        last: Option<(Vec<u8>, Counts)>,
    ) -> Result<bool, SyncFailure> {
        for _ in 0..TRIES {
            let against = Against::load(self.service, self.attached.patient).await?;
            let now = self.service.now();
            let version = against.row.grants_version;
            let reaches = against.reaches.clone();
            let sealed;
            (portion, sealed) = seal(self.service, portion, against, now).await?;
            let stored = self.write(&portion, sealed, version, reaches, last.clone(), now);
            match stored.await {
                Err(Failure::Vault(VaultError::Conflict(_))) => self.renew(&mut portion).await?,
                other => return other,
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()).into())
    }

    /// Somebody wrote meanwhile: what the pieces succeed is looked up again.
    async fn renew(&self, portion: &mut Portion) -> Result<(), SyncFailure> {
        let tags = portion.pieces.iter().map(|p| p.tag).collect();
        let known = self.known(tags).await?;
        let mut kept = Vec::with_capacity(portion.pieces.len());
        for (mut piece, known) in portion.pieces.drain(..).zip(known) {
            if matches!(known, Known::Gone(_)) {
                continue;
            }
            // A blob is sealed for its version: it must not become another.
            let is_blob = matches!(piece.draft.body, DraftBody::Blob { .. });
            let record = piece.draft.record;
            let (record, version, previous) = known.next(|| record);
            if is_blob && (record, version) != (piece.draft.record, piece.draft.version) {
                continue;
            }
            piece.draft.compartment = known.compartment(piece.draft.compartment);
            (piece.draft.record, piece.draft.version) = (record, version);
            piece.draft.previous = previous;
            kept.push(piece);
        }
        portion.pieces = kept;
        Ok(())
    }

    async fn write(
        &self,
        portion: &Portion,
        sealed: Sealed,
        grants_version: u64,
        reaches: Vec<Reach>,
        last: Option<(Vec<u8>, Counts)>,
        now: Timestamp,
    ) -> Result<bool, SyncFailure> {
        let service = self.service.clone();
        let (connection, patient) = (self.opened.row.id, self.attached.patient);
        let (run, query) = (portion.run, portion.query.clone());
        let items: Vec<ItemRow> = portion
            .pieces
            .iter()
            .map(Piece::item)
            .chain(portion.touched.iter().cloned())
            .collect();
        let mut rng = self.service.rng();
        let node = self.service.0.node;
        let until = after(now, self.service.settings().pace.lease_secs());
        self.service
            .store()
            .write("intake.store", move |tx| {
                let leased = rows::hold(tx, run, node, until)?;
                if !leased {
                    return Ok(false);
                }
                let row = patient_rows::lookup(tx, patient)?
                    .ok_or(Failure::Internal("a patient that is gone"))?;
                if row.grants_version != grants_version {
                    return Err(moved());
                }
                if !sealed.write.records.is_empty() {
                    let storing = Storing {
                        service: &service,
                        source: connection.to_string(),
                        by: ("connection", connection.0),
                        row: &row,
                        now,
                    };
                    storing.store(tx, &sealed, &reaches, &mut rng)?;
                }
                for item in &items {
                    rows::put_item(tx, connection, patient, item, &query, now)?;
                }
                match last {
                    Some((checkpoint_p, counts)) => Ok(rows::checkpoint(
                        tx,
                        run,
                        node,
                        &checkpoint_p,
                        &counts,
                        now,
                        until,
                    )?),
                    None => Ok(true),
                }
            })
            .await
    }
}

pub(super) fn moved() -> SyncFailure {
    Failure::Vault(VaultError::Conflict("compartment.moved".into()))
}

/// Seals off the threads that answer: every recipient of every batch costs a
/// millisecond or two.
pub(super) async fn seal(
    service: &Service,
    portion: Portion,
    against: Against,
    now: Timestamp,
) -> Result<(Portion, Sealed), SyncFailure> {
    let mut rng = service.rng();
    let work = move || {
        let Against {
            row,
            chain,
            reaches,
        } = against;
        let mut portion = portion;
        let writer = Writer {
            chain: &chain,
            grants_version: row.grants_version,
            seed: None,
            author: None,
        };
        let drafts: Vec<Draft>;
        let mut rest = Vec::with_capacity(portion.pieces.len());
        (drafts, rest) = portion
            .pieces
            .drain(..)
            .fold((Vec::new(), rest), |mut both, p| {
                both.0.push(p.draft);
                both.1.push((p.tag, p.served, p.changed_at));
                both
            });
        let sealed = writer.seal_keeping(&drafts, now, &mut rng)?;
        let (write, keys) = sealed;
        let deliveries = seal_deliveries(&write, &keys, &drafts, &reaches, &mut rng);
        let hashes = write.records.iter().map(sealed_hash).collect();
        portion.pieces = drafts
            .into_iter()
            .zip(rest)
            .map(|(draft, (tag, served, changed_at))| Piece {
                draft,
                tag,
                served,
                changed_at,
            })
            .collect();
        let sealed = Sealed {
            write,
            hashes,
            deliveries,
        };
        Ok::<_, VaultError>((portion, sealed))
    };
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| Failure::Internal("sealing broke off"))??)
}

/// The version keys that destinations wait for, while they are at hand.
fn seal_deliveries(
    write: &SealedWrite,
    keys: &[VersionKey],
    drafts: &[Draft],
    reaches: &[Reach],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<(usize, Id, Bytes)> {
    let mut sealed = Vec::new();
    for (index, (draft, key)) in drafts.iter().zip(keys).enumerate() {
        if draft.supporting {
            continue;
        }
        let facts = facts_of(draft.record, draft.compartment);
        let place = Place {
            patient: write.patient,
            record: draft.record,
            version: draft.version,
        };
        for reach in reaches.iter().filter(|r| r.covers(&facts)) {
            let Some(to) = reach.key().filter(|_| !reach.hands_off()) else {
                continue;
            };
            let envelope = seal_version_key(&to, place, reach.connection(), key, rng);
            sealed.push((index, reach.connection(), envelope));
        }
    }
    sealed
}

fn facts_of(record: Id, compartment: Compartment) -> RecordFacts {
    RecordFacts {
        id: RecordId(record),
        compartment,
        author: None,
        deleted: false,
        withheld: false,
    }
}

/// Storing what was sealed.
pub(super) struct Storing<'a> {
    /// The services.
    pub service: &'a Service,
    /// Where it came from, as the record says.
    pub source: String,
    /// Where it came from, as the trail says.
    pub by: (&'static str, Id),
    /// Whose it is.
    pub row: &'a PatientRow,
    /// When.
    pub now: Timestamp,
}

impl Storing<'_> {
    /// All of it, with what follows.
    pub fn store(
        &self,
        tx: &mut Tx,
        sealed: &Sealed,
        reaches: &[Reach],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SyncFailure> {
        let places = self.insert_batches(tx, &sealed.write)?;
        let mut types = RecordTypes::EMPTY;
        let (mut created, mut updated) = (0, 0);
        let mut written = Vec::with_capacity(sealed.write.records.len());
        for (record, hash) in sealed.write.records.iter().zip(&sealed.hashes) {
            let compartment = *places
                .get(&record.batch)
                .ok_or(Failure::Internal("a record without its batch"))?;
            if record.version == 1 {
                created += 1;
            } else {
                updated += 1;
            }
            self.insert_record(tx, record, compartment, *hash)?;
            types = types.union(RecordTypes::of(compartment.record_type));
            written.push(Written {
                record: RecordId(record.id),
                version: record.version,
                compartment,
                supporting: record.supporting,
            });
        }
        for record_type in types.iter() {
            shares::mark_files_stale(tx, self.row.id, record_type)?;
        }
        self.queue_deliveries(tx, sealed, reaches, &written, rng)?;
        let action = if created > 0 {
            TrailAction::RecordCreate
        } else {
            TrailAction::RecordUpdate
        };
        let mut entry = NewEntry::new(action, self.now, TrailActor::System)
            .patient(self.row.id)
            .count(created + updated)
            .types(types)
            .detail(self.by.0, Detail::Id(self.by.1));
        if let ([one], [hash]) = (sealed.write.records.as_slice(), sealed.hashes.as_slice()) {
            entry = entry.record(RecordId(one.id)).version(one.version, *hash);
        }
        trail::append(tx, entry, rng)?;
        let touched: BTreeSet<Compartment> = places.into_values().collect();
        let concerns = |g: &grants::GrantRow| touched.iter().any(|c| covers(g, *c));
        let subject = self.row.id.0;
        events::tell_readers(
            tx,
            self.row.id,
            action.as_str(),
            subject,
            self.now,
            concerns,
        )?;
        Ok(())
    }

    /// Stores batches that are sealed to exactly those who are to open them.
    fn insert_batches(
        &self,
        tx: &mut Tx,
        write: &SealedWrite,
    ) -> Result<BTreeMap<Id, Compartment>, SyncFailure> {
        let living = grants::list_living(tx, self.row.id, self.now)?;
        let mut places = BTreeMap::new();
        for batch in &write.batches {
            let due: BTreeSet<GrantId> = living
                .iter()
                .filter(|g| covers(g, batch.compartment))
                .map(|g| g.id)
                .collect();
            let to: BTreeSet<GrantId> = batch
                .envelopes
                .iter()
                .filter(|e| to_kind(e.to) == "grant")
                .map(|e| GrantId(e.id))
                .collect();
            if due != to {
                return Err(moved());
            }
            let stored = BatchRow {
                id: BatchId(batch.id),
                patient: self.row.id,
                compartment: batch.compartment,
                epoch: None,
                wrapped: None,
                author: None,
                created_at: self.now,
            };
            let envelopes: Vec<EnvelopeRow> = batch
                .envelopes
                .iter()
                .map(|e| EnvelopeRow {
                    to_kind: to_kind(e.to).to_owned(),
                    to: e.id,
                    sealed: e.sealed.0.clone(),
                })
                .collect();
            batches::insert(tx, &stored, &envelopes)?;
            places.insert(batch.id, batch.compartment);
        }
        Ok(places)
    }

    fn insert_record(
        &self,
        tx: &mut Tx,
        record: &NewSealedRecord,
        compartment: Compartment,
        hash: [u8; 32],
    ) -> Result<(), SyncFailure> {
        let (id, patient): (RecordId, PatientId) = (RecordId(record.id), self.row.id);
        if record.version == 1 {
            let stored = RecordRow {
                id,
                patient,
                compartment,
                supporting: record.supporting,
                version: 1,
                identity_tag: record.identity_tag.map(|t| t.0),
                source: self.source.clone(),
                author: None,
                created_at: self.now,
                updated_at: self.now,
                deleted_at: None,
                withdrawn_at: None,
            };
            record_rows::insert(tx, &stored).map_err(raced)?;
        } else if !record_rows::update_version(
            tx,
            patient,
            id,
            record.version,
            compartment,
            self.now,
        )? {
            return Err(moved());
        }
        let body = record.body.as_ref().map(|b| b.0.clone());
        let blob = record.blob.map(BlobId);
        let body_len = match blob {
            Some(blob) => {
                chartkey_store::blobs::lookup(tx, *patient.as_bytes(), *blob.as_bytes())?
                    .filter(|b| b.finished)
                    .ok_or(Failure::Internal("a blob that is not finished"))?
                    .size
            }
            None => body.as_ref().map_or(0, |b| b.len() as u64),
        };
        let version = VersionRow {
            record: id,
            version: record.version,
            batch: BatchId(record.batch),
            header: record.header.0.clone(),
            size: body_len.saturating_add(record.header.0.len() as u64),
            body,
            blob,
            commitment: record.commitment.0,
            content_tag: Some(record.content_tag.0),
            sealed_hash: hash,
            author: None,
            created_at: self.now,
        };
        record_rows::insert_version(tx, &version, "server")?;
        if record.version == 1 {
            return Ok(());
        }
        let due: BTreeSet<GrantId> = grants::list_extra_readers(tx, id, compartment, self.now)?
            .into_iter()
            .collect();
        let to: BTreeSet<GrantId> = record.extra.iter().map(|e| GrantId(e.grant)).collect();
        if due != to {
            return Err(moved());
        }
        for extra in &record.extra {
            let grant = GrantId(extra.grant);
            record_rows::insert_version_envelope(tx, id, record.version, grant, &extra.sealed.0)?;
        }
        Ok(())
    }

    fn queue_deliveries(
        &self,
        tx: &mut Tx,
        sealed: &Sealed,
        reaches: &[Reach],
        written: &[Written],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SyncFailure> {
        let protect = self.service.protect();
        for reach in reaches {
            for (index, one) in written.iter().enumerate() {
                let facts = facts_of(one.record.0, one.compartment);
                if one.supporting || !reach.covers(&facts) {
                    continue;
                }
                let envelope = sealed
                    .deliveries
                    .iter()
                    .find(|(at, to, _)| *at == index && *to == reach.connection())
                    .map(|(_, _, envelope)| envelope.0.as_slice());
                delivery::queue_put(tx, protect, reach, one, envelope, self.now, rng)?;
            }
        }
        Ok(())
    }
}

/// The same thing was stored by somebody else meanwhile.
fn raced(error: StoreError) -> SyncFailure {
    match error {
        StoreError::Unique { .. } => moved(),
        other => other.into(),
    }
}
