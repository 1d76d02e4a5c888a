//! The frozen vectors of destinations: `vectors/delivery1.json`.

use chartkey_crypto::seal::KemPrivate;
use serde::{Deserialize, Serialize};

use super::{Hex, all};
use crate::{
    Id,
    delivery::{DestinationTerms, SignedDestination, open_version_key},
    keys::AccountSecrets,
    record::Place,
};

const DELIVERY1: &str = include_str!("../../vectors/delivery1.json");

/// Checks them; says how many, or which one failed.
pub(super) fn check() -> Result<usize, String> {
    let file: File = serde_json::from_str(DELIVERY1).map_err(|e| format!("delivery1.json: {e}"))?;
    Ok(
        all("destination", &file.destination, DestinationCase::holds)?
            + all("delivery", &file.delivery, DeliveryCase::holds)?,
    )
}

cases! {
    File { destination: Vec<DestinationCase>, delivery: Vec<DeliveryCase> }
    DestinationCase { account: Id, account_seed: Hex, statement: SignedDestination, terms: DestinationTerms }
    DeliveryCase {
        patient: Id, record: Id, version: u32, connection: Id, seed: Hex, sealed: Hex, key: Hex,
        commitment: Hex,
    }
}

impl DestinationCase {
    fn holds(&self) -> Option<bool> {
        let account = AccountSecrets::new(self.account, self.account_seed.secret()?);
        let keys = [account.signing_key().verify_key()];
        let terms = self.statement.verify(&keys).ok()?;
        let mut changed = self.statement.clone();
        changed.body.push(' ');
        Some(terms == self.terms && changed.verify(&keys).is_err())
    }
}

impl DeliveryCase {
    fn holds(&self) -> Option<bool> {
        let private = KemPrivate::new(&self.seed.secret()?);
        let place = Place {
            patient: self.patient,
            record: self.record,
            version: self.version,
        };
        let sealed = self.sealed.bytes();
        let key = open_version_key(&private, place, self.connection, &sealed).ok()?;
        let elsewhere = open_version_key(&private, place, self.patient, &sealed);
        Some(
            elsewhere.is_err()
                && self.key.is(key.secret().as_bytes())
                && self.commitment.is(&key.commitment().0),
        )
    }
}

#[cfg(test)]
mod make {
    use std::path::Path;

    use chartkey_crypto::{seal::KemPublic, vectors::seeded};
    use chartkey_fhir::{Kinds, RecordType};

    use super::*;
    use crate::delivery::seal_version_key;
    use crate::vectors::make::{ana, at, ben, bytes, hex, id, secret, version_key};

    /// As the others': `-- --ignored write_frozen_vectors_of_destinations`.
    #[test]
    #[ignore = "makes the vectors file, which is frozen"]
    fn write_frozen_vectors_of_destinations() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/delivery1.json");
        assert!(DELIVERY1.is_empty(), "frozen vectors are never replaced");
        let text = serde_json::to_string_pretty(&file()).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }

    /// Connection 12, on which Ana's record (patient 2) was put by herself, and by
    /// Ben under grant 4.
    fn file() -> File {
        let own = DestinationTerms {
            patient: id(2),
            connection: id(12),
            key: KemPublic::of(&secret(300)),
            types: Vec::new(),
            kinds: Kinds::EMPTY,
            account: id(1),
            grant: None,
            at: at(3),
        };
        let granted = DestinationTerms {
            types: vec![RecordType::LabResults, RecordType::Diet],
            kinds: Kinds::ALL,
            account: id(3),
            grant: Some(id(4)),
            ..own.clone()
        };
        let case = |(account, seed, terms): (AccountSecrets, u64, DestinationTerms)| {
            let statement = SignedDestination::sign(&terms, account.signing_key()).unwrap();
            DestinationCase {
                account: account.account(),
                account_seed: bytes(seed),
                statement,
                terms,
            }
        };
        File {
            destination: [(ana(), 101, own), (ben(), 103, granted)]
                .into_iter()
                .map(case)
                .collect(),
            delivery: vec![delivery_case(1), delivery_case(2)],
        }
    }

    fn delivery_case(version: u32) -> DeliveryCase {
        let key = version_key(version);
        let place = Place {
            patient: id(2),
            record: id(7),
            version,
        };
        let to = KemPublic::of(&secret(300));
        let rng = &mut seeded(301 + u64::from(version));
        let sealed = seal_version_key(&to, place, id(12), &key, rng);
        DeliveryCase {
            patient: id(2),
            record: id(7),
            version,
            connection: id(12),
            seed: bytes(300),
            sealed: hex(sealed.0),
            key: hex(key.secret().as_bytes()),
            commitment: hex(key.commitment().0),
        }
    }
}
