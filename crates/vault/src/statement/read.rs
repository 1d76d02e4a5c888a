//! Reading a patient's statement: one flat form of all members, told apart by
//! `kind` afterwards. What serde derives for a tagged enum inside a flattened
//! struct reads everything twice and is many times as large, and browsers
//! fetch and run it.

use chartkey_crypto::{seal::KemPublic, sign::VerifyKey};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    CarriedGrant, GenerationTerms, GrantTerms, HolderKind, ManagerRef, PatientSays,
    PatientStatement,
};
use crate::{Id, bytes::Bytes32, epoch::Epoch};

/// Every member that any kind has.
#[derive(Deserialize)]
struct Flat {
    patient: Id,
    seq: u64,
    prev: Option<Bytes32>,
    at: Timestamp,
    kind: String,
    generation: Option<u32>,
    sign_key: Option<VerifyKey>,
    inbox_key: Option<KemPublic>,
    managers: Option<Vec<ManagerRef>>,
    carries: Option<Vec<CarriedGrant>>,
    grant: Option<Id>,
    grant_key: Option<KemPublic>,
    holder_kind: Option<HolderKind>,
    holder_hash: Option<Bytes32>,
    sealed_to: Option<Bytes32>,
    types: Option<Vec<RecordType>>,
    kinds: Option<Kinds>,
    records: Option<Vec<Id>>,
    valid_from: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    purpose: Option<String>,
    may_download: Option<bool>,
    write_types: Option<Vec<RecordType>>,
    may_reshare: Option<bool>,
    reshare_key: Option<VerifyKey>,
    parent: Option<Id>,
    holds: Option<Vec<(Compartment, Epoch)>>,
    begun: Option<Vec<(Compartment, Epoch)>>,
    reissued: Option<Vec<Id>>,
}

impl Flat {
    fn says(self) -> Option<PatientSays> {
        Some(match self.kind.as_str() {
            "generation" => PatientSays::Generation(GenerationTerms {
                generation: self.generation?,
                sign_key: self.sign_key?,
                inbox_key: self.inbox_key?,
                managers: self.managers?,
                carries: self.carries?,
            }),
            "grant" => PatientSays::Grant(GrantTerms {
                grant: self.grant?,
                generation: self.generation?,
                grant_key: self.grant_key?,
                holder_kind: self.holder_kind?,
                holder_hash: self.holder_hash?,
                sealed_to: self.sealed_to?,
                types: self.types?,
                kinds: self.kinds?,
                records: self.records,
                valid_from: self.valid_from?,
                expires_at: self.expires_at?,
                purpose: self.purpose?,
                may_download: self.may_download?,
                write_types: self.write_types?,
                may_reshare: self.may_reshare?,
                reshare_key: self.reshare_key,
                parent: self.parent,
                holds: self.holds?,
            }),
            "terms" => PatientSays::Terms {
                grant: self.grant?,
                expires_at: self.expires_at?,
            },
            "end" => PatientSays::End { grant: self.grant? },
            "epochs" => PatientSays::Epochs {
                begun: self.begun?,
                reissued: self.reissued?,
            },
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for PatientStatement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(from)?;
        let (patient, seq, prev, at) = (flat.patient, flat.seq, flat.prev, flat.at);
        let says = flat
            .says()
            .ok_or_else(|| D::Error::custom("not a statement"))?;
        Ok(Self {
            patient,
            seq,
            prev,
            at,
            says,
        })
    }
}
