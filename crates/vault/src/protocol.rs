//! The messages of the sealed protocol: what key-holders and the server say
//! to each other. Plain data; every byte string is ciphertext or public.
//!
//! `docs/vault-format.md` gives the bytes inside; `openapi.json` the calls.

use chartkey_fhir::{Compartment, RecordType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    epoch::Epoch,
    statement::{HolderKind, SignedStatement},
};

macro_rules! message {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub struct $name { $($body)* }
    };
}

// --- accounts -------------------------------------------------------------

message! {
    /// Argon2id parameters of an account (RFC 9106).
    #[derive(Copy, PartialEq, Eq)]
    pub struct KdfParams {
        /// Memory in KiB.
        pub m_kib: u32,
        /// Passes.
        pub t: u32,
        /// Lanes.
        pub p: u32,
    }
}

message! {
    /// A way into an account: what the server checks and the seed it unlocks.
    pub struct WayIn {
        /// What the client proves itself with; kept as a keyed hash only.
        pub auth_key: Bytes32,
        /// The account seed, wrapped under a key that never leaves the client.
        pub wrapped_seed: Bytes,
    }
}

message! {
    /// The sealed part of a registration. Ids are made by the client.
    pub struct NewAccount {
        /// The account's id, UUIDv7.
        pub account: Id,
        /// How the password was stretched; the salt is prelogin's.
        pub kdf: KdfParams,
        /// By password.
        pub password: WayIn,
        /// By recovery code.
        pub recovery: WayIn,
        /// First statement of the account's chain: its public keys.
        pub statement: SignedStatement,
        /// The patient that comes with a patient's account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub patient: Option<NewPatient>,
    }
}

message! {
    /// A patient's first generation.
    pub struct NewPatient {
        /// The patient's id, UUIDv7.
        pub patient: Id,
        /// First statement of the patient's chain.
        pub statement: SignedStatement,
        /// The seed sealed to the account that owns it.
        pub sealed_seed: Bytes,
    }
}

message! {
    /// An account's public keys with the statements that vouch for them.
    pub struct AccountKeys {
        /// Whose.
        pub account: Id,
        /// The whole chain, oldest first.
        pub statements: Vec<SignedStatement>,
    }
}

// --- what a caller needs to open a patient ----------------------------------

message! {
    /// `GET /api/patients/{id}/keys`: everything the caller needs to open what
    /// is theirs and to write.
    pub struct PatientKeys {
        /// Whose.
        pub patient: Id,
        /// Bumped by every change that a writer must know of.
        pub grants_version: u64,
        /// The patient's chain, oldest first, whole.
        pub statements: Vec<SignedStatement>,
        /// Grants that the server ended by itself: used up, holder gone.
        pub ended: Vec<ServerEnd>,
        /// Predecessor keys, wrapped under their successors.
        pub epoch_links: Vec<EpochLink>,
        /// Present for managers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub manager: Option<ManagerKeys>,
        /// Keyrings that the caller holds and may use now.
        pub keyrings: Vec<HeldKeyring>,
    }
}

message! {
    /// The server's word that a grant ended; it can only add staleness.
    pub struct ServerEnd {
        /// Which grant.
        pub grant: Id,
        /// When.
        pub at: Timestamp,
    }
}

message! {
    /// The key of an epoch's predecessor, wrapped under the epoch's own.
    pub struct EpochLink {
        /// Of which compartment.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        pub compartment: Compartment,
        /// The newer epoch, whose key unwraps.
        pub epoch: Epoch,
        /// The older epoch, whose key is inside.
        pub previous: Epoch,
        /// The wrapped key.
        pub wrapped: Bytes,
    }
}

message! {
    /// What only managers are told.
    pub struct ManagerKeys {
        /// The newest generation's seed, sealed to the caller.
        pub sealed_seed: Bytes,
        /// Older seeds, each wrapped under its successor's.
        pub older: Vec<WrappedSeed>,
        /// Who holds which grant.
        pub holders: Vec<GrantHolder>,
        /// Compartments that have batches.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
        pub existing: Vec<Compartment>,
        /// How many batches wait for adoption.
        pub unadopted: u64,
    }
}

message! {
    /// The seed of a generation, wrapped under the next one's.
    pub struct WrappedSeed {
        /// Whose seed is inside.
        pub generation: u32,
        /// The wrapped seed.
        pub wrapped: Bytes,
    }
}

message! {
    /// Who holds a grant.
    pub struct GrantHolder {
        /// Which grant.
        pub grant: Id,
        /// Account or link.
        pub kind: HolderKind,
        /// The account; for a link the grant's own id.
        pub holder: Id,
        /// Salt of the holder's hash.
        pub salt: Bytes32,
        /// The cover, wrapped for managers.
        pub cover_wrap: Bytes,
    }
}

message! {
    /// A keyring that the caller holds.
    pub struct HeldKeyring {
        /// Of which grant.
        pub grant: Id,
        /// The keyring, sealed to the caller.
        pub keyring: Bytes,
        /// The cover, sealed to the caller.
        pub cover: Bytes,
        /// Salt of the holder's hash.
        pub salt: Bytes32,
    }
}

// --- writing -----------------------------------------------------------------

message! {
    /// `POST /api/records` sealed: new records or new versions.
    pub struct SealedWrite {
        /// Into whose record.
        pub patient: Id,
        /// The state that the batches were sealed for.
        pub grants_version: u64,
        /// One batch for each compartment touched.
        pub batches: Vec<SealedBatch>,
        /// The records, each in one of the batches.
        pub records: Vec<NewSealedRecord>,
    }
}

message! {
    /// A batch key, wrapped under a compartment key or sealed directly.
    pub struct SealedBatch {
        /// UUIDv7, made by the writer.
        pub id: Id,
        /// The one compartment of everything in it.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        pub compartment: Compartment,
        /// The epoch whose key wraps; absent in a direct batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub epoch: Option<Epoch>,
        /// The wrapped key; absent in a direct batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wrapped: Option<Bytes>,
        /// The key sealed to single principals.
        #[serde(default)]
        pub envelopes: Vec<Envelope>,
    }
}

/// To whom an envelope is sealed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    /// The patient's inbox; the id is the patient's.
    Inbox,
    /// A grant's own key.
    Grant,
    /// The author's account key.
    Account,
}

message! {
    /// A key sealed (HPKE) to one principal.
    pub struct Envelope {
        /// What kind of principal.
        pub to: RecipientKind,
        /// Which.
        pub id: Id,
        /// The sealed key.
        pub sealed: Bytes,
    }
}

message! {
    /// One record version as written.
    pub struct NewSealedRecord {
        /// UUIDv7, made by the writer.
        pub id: Id,
        /// 1 for a new record, else one more than the current.
        pub version: u32,
        /// The batch whose key it hangs on.
        pub batch: Id,
        /// Hidden from counts: written only because others refer to it.
        #[serde(default)]
        pub supporting: bool,
        /// Sealed header.
        pub header: Bytes,
        /// Sealed body, unless it is a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub body: Option<Bytes>,
        /// An uploaded and finished blob that holds the sealed body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub blob: Option<Id>,
        /// Derived from the version key; bound into header and body.
        pub commitment: Bytes32,
        /// Keyed hash of where it came from, to find it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity_tag: Option<Bytes32>,
        /// Keyed hash of its canonical content, to see it unchanged.
        pub content_tag: Bytes32,
        /// The version key for readers of single records.
        #[serde(default)]
        pub extra: Vec<VersionEnvelope>,
    }
}

message! {
    /// A version key sealed to a grant of single records.
    pub struct VersionEnvelope {
        /// Which grant.
        pub grant: Id,
        /// The sealed version key.
        pub sealed: Bytes,
    }
}

message! {
    /// What became of a write.
    pub struct WriteOutcome {
        /// The state after it.
        pub grants_version: u64,
        /// Leaf of the trail that tells of it.
        pub leaf_index: u64,
    }
}

message! {
    /// `POST /api/records/known`: which of these are there already.
    pub struct KnownTagsRequest {
        /// In whose record.
        pub patient: Id,
        /// Identity tags, under every generation the client can open.
        pub tags: Vec<Bytes32>,
    }
}

message! {
    /// Records found by their identity tags; only those the caller may know of.
    pub struct KnownTags {
        /// The ones found.
        pub items: Vec<KnownRecord>,
    }
}

message! {
    /// What a writer must know of an existing record to write a new version.
    pub struct KnownRecord {
        /// The record.
        pub id: Id,
        /// Its current version.
        pub version: u32,
        /// Its compartment.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        pub compartment: Compartment,
        /// The tag it was found by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub identity_tag: Option<Bytes32>,
        /// Of its current version.
        pub content_tag: Bytes32,
        /// Commitment of its current version.
        pub commitment: Bytes32,
        /// Grants of single records whose keys a new version is sealed to.
        pub extra_readers: Vec<Id>,
    }
}

// --- reading -----------------------------------------------------------------

message! {
    /// Sealed records with what opens them.
    pub struct SealedPage {
        /// The records.
        pub items: Vec<SealedRecord>,
        /// The batches they hang on, each once.
        pub batches: Vec<BatchKey>,
        /// Where the next page begins.
        pub next: Option<String>,
    }
}

message! {
    /// One record version as read.
    pub struct SealedRecord {
        /// The record.
        pub id: Id,
        /// Whose.
        pub patient: Id,
        /// Which version.
        pub version: u32,
        /// Where it lies.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        pub compartment: Compartment,
        /// Hidden from counts.
        pub supporting: bool,
        /// Its batch.
        pub batch: Id,
        /// Sealed header.
        pub header: Bytes,
        /// Sealed body, where asked for and not a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub body: Option<Bytes>,
        /// The blob that holds the body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub blob: Option<Id>,
        /// Sealed size of header and body in bytes.
        pub size: u64,
        /// Bound into header and body.
        pub commitment: Bytes32,
        /// Where it came from: `upload`, `provider`, a connection.
        pub source: String,
        /// The account that wrote this version; absent for the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<Id>,
        /// When the record was first stored.
        pub created_at: Timestamp,
        /// When this version was stored.
        pub updated_at: Timestamp,
        /// The version key, sealed to a grant of the caller's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub extra: Vec<VersionEnvelope>,
    }
}

message! {
    /// What opens a batch, as far as the caller may have it.
    pub struct BatchKey {
        /// Which batch.
        pub id: Id,
        /// Its compartment.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        pub compartment: Compartment,
        /// Epoch of the wrapping key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub epoch: Option<Epoch>,
        /// Wrapped under the compartment key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub wrapped: Option<Bytes>,
        /// Sealed to principals that the caller is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub envelopes: Vec<Envelope>,
    }
}

// --- granting ------------------------------------------------------------------

message! {
    /// A new grant: signed terms, and the sealed keyring that makes them true.
    pub struct SealedGrant {
        /// In whose record.
        pub patient: Id,
        /// The state it was made for.
        pub grants_version: u64,
        /// The `grant` statement.
        pub statement: SignedStatement,
        /// The account that holds it; for a link the grant's own id.
        pub holder: Id,
        /// Salt of the holder's hash.
        pub salt: Bytes32,
        /// Sealed to the holder.
        pub keyring: Bytes,
        /// Names and words of the grant, sealed to the holder.
        pub cover: Bytes,
        /// The same, wrapped for managers.
        pub cover_wrap: Bytes,
    }
}

message! {
    /// What makes a grant a link.
    pub struct SealedLink {
        /// The grant.
        pub grant: SealedGrant,
        /// Names the link: 32 random bytes, base64url.
        pub token: String,
        /// derive(K, "link/auth"); kept as a keyed hash only.
        pub auth: Bytes32,
        /// JWE files for other viewers, where downloads are allowed.
        #[serde(default)]
        pub files: Vec<LinkFile>,
    }
}

message! {
    /// A SMART Health Links file: one record type of a link, as compact JWE.
    pub struct LinkFile {
        /// What it holds; absent for the single file of a `U` link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
        pub record_type: Option<RecordType>,
        /// Compact JWE, `dir` + `A256GCM`, key K.
        pub jwe: String,
    }
}

message! {
    /// A statement about a living grant: `terms` or `end`.
    pub struct GrantChange {
        /// In whose record.
        pub patient: Id,
        /// The signed change.
        pub statement: SignedStatement,
    }
}

message! {
    /// `POST /api/patients/{id}/epochs`: epochs begin, keyrings are made anew.
    pub struct SealedEpochs {
        /// In whose record.
        pub patient: Id,
        /// The state it was made for.
        pub grants_version: u64,
        /// The `epochs` statement.
        pub statement: SignedStatement,
        /// Predecessors' keys.
        pub links: Vec<EpochLink>,
        /// One for each grant named as reissued.
        pub keyrings: Vec<ReissuedKeyring>,
    }
}

message! {
    /// A keyring made anew for a grant that lives on.
    pub struct ReissuedKeyring {
        /// Which grant.
        pub grant: Id,
        /// Sealed to its holder.
        pub keyring: Bytes,
    }
}

message! {
    /// Directly sealed batches that wait for a manager, a bounded page.
    pub struct Unadopted {
        /// With the inbox's envelope each.
        pub batches: Vec<BatchKey>,
        /// Whether more wait behind these.
        pub more: bool,
    }
}

message! {
    /// `POST /api/patients/{id}/adopt`: batches wrapped by a manager.
    pub struct SealedAdoption {
        /// In whose record.
        pub patient: Id,
        /// The state it was made for.
        pub grants_version: u64,
        /// The batches, wrapped.
        pub batches: Vec<AdoptedBatch>,
        /// Batches whose inbox envelope opens with no key of a manager's: what
        /// their writer sealed is nonsense, and nobody waits for it any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub unopenable: Vec<Id>,
    }
}

message! {
    /// One adopted batch.
    pub struct AdoptedBatch {
        /// Which.
        pub id: Id,
        /// The compartment's current epoch.
        pub epoch: Epoch,
        /// The batch key, wrapped under it.
        pub wrapped: Bytes,
    }
}

message! {
    /// `POST /api/patients/{id}/generations`: a new seed.
    pub struct SealedGeneration {
        /// Whose.
        pub patient: Id,
        /// The state it was made for.
        pub grants_version: u64,
        /// The `generation` statement.
        pub statement: SignedStatement,
        /// The new seed, sealed to each manager.
        pub seeds: Vec<SealedSeed>,
        /// The old seed, wrapped under the new.
        pub previous: WrappedSeed,
        /// Keys of the last epochs, wrapped under the first of the new.
        pub links: Vec<EpochLink>,
        /// Keyrings of the grants carried over.
        pub keyrings: Vec<ReissuedKeyring>,
        /// Covers, wrapped anew for managers.
        pub cover_wraps: Vec<CoverWrap>,
    }
}

message! {
    /// A seed sealed to a manager.
    pub struct SealedSeed {
        /// The manager.
        pub account: Id,
        /// The sealed seed.
        pub sealed: Bytes,
    }
}

message! {
    /// A grant's cover, wrapped for managers of a generation.
    pub struct CoverWrap {
        /// Which grant.
        pub grant: Id,
        /// The wrapped cover.
        pub wrapped: Bytes,
    }
}

message! {
    /// `POST /api/records/{id}/move`: every version, sealed anew elsewhere.
    pub struct SealedMove {
        /// In whose record.
        pub patient: Id,
        /// The record.
        pub record: Id,
        /// The state it was made for.
        pub grants_version: u64,
        /// New batches in the new compartment.
        pub batches: Vec<SealedBatch>,
        /// All versions, ascending, same ids and numbers.
        pub versions: Vec<NewSealedRecord>,
    }
}

message! {
    /// What a link's holder gets to open it with.
    pub struct LinkOpened {
        /// Whose record.
        pub patient: Id,
        /// The link's grant.
        pub grant: Id,
        /// The signed terms.
        pub statement: SignedStatement,
        /// When it ends, as it stands now.
        pub expires_at: Timestamp,
        /// The keyring, wrapped under a key from K.
        pub keyring: Bytes,
        /// The cover, wrapped under a key from K.
        pub cover: Bytes,
        /// Predecessor keys of the compartments covered.
        pub epoch_links: Vec<EpochLink>,
        /// Names the reading for pages, blobs and downloads.
        pub view: String,
        /// The first page of records.
        pub page: SealedPage,
    }
}

message! {
    /// `POST /api/auth/rekey` sealed: new account keys, and everything that
    /// hung on the old ones sealed to the new.
    pub struct SealedRekey {
        /// Next statement of the account's chain.
        pub statement: SignedStatement,
        /// How the password was stretched.
        pub kdf: KdfParams,
        /// By password.
        pub password: WayIn,
        /// By recovery code.
        pub recovery: WayIn,
        /// The old seed, wrapped under the new.
        pub previous_seed: Bytes,
        /// A new generation of every patient the account manages.
        pub generations: Vec<SealedGeneration>,
        /// Keyrings held as grantee, sealed to the new key.
        pub keyrings: Vec<ReissuedKeyring>,
    }
}
