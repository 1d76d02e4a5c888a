//! The frozen vectors of claims: `vectors/claim1.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Hex, all};
use crate::{Id, chain::Chain, claim::ClaimKey, statement::SignedStatement};

const CLAIM1: &str = include_str!("../../vectors/claim1.json");

/// Checks them; says how many, or which one failed.
pub(super) fn check() -> Result<usize, String> {
    let file: File = serde_json::from_str(CLAIM1).map_err(|e| format!("claim1.json: {e}"))?;
    Ok(all("sheet", &file.sheet, SheetCase::holds)?
        + all("taken_over", &file.taken_over, TakenOverCase::holds)?)
}

cases! {
    File { sheet: Vec<SheetCase>, taken_over: Vec<TakenOverCase> }
    SheetCase { patient: Id, generation: u32, claim_key: String, auth: Hex, wrapped: Hex, seed: Hex }
    TakenOverCase {
        patient: Id, statements: Vec<SignedStatement>, generation: u32, managers: Vec<Id>,
        living: Vec<Id>, at: Timestamp,
    }
}

impl SheetCase {
    fn holds(&self) -> Option<bool> {
        let key = ClaimKey::from_text(&self.claim_key).ok()?;
        let wrapped = self.wrapped.bytes();
        let seed = key.unwrap(self.patient, self.generation, &wrapped).ok()?;
        let other = self.generation.saturating_add(1);
        Some(
            key.unwrap(self.patient, other, &wrapped).is_err()
                && *key.to_text() == self.claim_key
                && self.auth.is(&key.auth(self.patient).0)
                && self.seed.is(seed.secret().as_bytes()),
        )
    }
}

impl TakenOverCase {
    fn holds(&self) -> Option<bool> {
        let chain = Chain::verify(self.patient, &self.statements, None).ok()?;
        let managers = chain.managers().iter().map(|m| m.account);
        let living = chain.living(self.at).map(|g| g.terms.grant);
        Some(
            chain.generation() == self.generation
                && managers.eq(self.managers.iter().copied())
                && living.eq(self.living.iter().copied()),
        )
    }
}

#[cfg(test)]
mod make {
    use std::path::Path;

    use chartkey_crypto::{seal::KemPublic, vectors::seeded};
    use chartkey_fhir::{Kinds, RecordType};

    use super::*;
    use crate::{
        Epoch,
        keys::AccountSecrets,
        statement::{
            CarriedGrant, GenerationTerms, GrantTerms, HolderKind, ManagerRef, PatientSays,
            PatientStatement, holder_hash, sealed_to_account,
        },
        vectors::make::{ana, at, ben, hex, id, labs, salt, seed},
    };

    /// As the others': `-- --ignored write_frozen_vectors_of_claims`.
    #[test]
    #[ignore = "makes the vectors file, which is frozen"]
    fn write_frozen_vectors_of_claims() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/claim1.json");
        assert!(CLAIM1.is_empty(), "frozen vectors are never replaced");
        let text = serde_json::to_string_pretty(&file()).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }

    fn file() -> File {
        File {
            sheet: vec![sheet_case(1), sheet_case(2)],
            taken_over: vec![taken_over_case()],
        }
    }

    fn sheet_case(generation: u32) -> SheetCase {
        let rng = &mut seeded(400 + u64::from(generation));
        let key = ClaimKey::random(rng);
        let wrapped = key.wrap(id(13), &seed(generation), rng);
        SheetCase {
            patient: id(13),
            generation,
            claim_key: key.to_text().to_string(),
            auth: hex(key.auth(id(13)).0),
            wrapped: hex(wrapped.0),
            seed: hex(seed(generation).secret().as_bytes()),
        }
    }

    fn generation(
        number: u32,
        manager: &AccountSecrets,
        carries: Vec<CarriedGrant>,
    ) -> PatientSays {
        PatientSays::Generation(GenerationTerms {
            generation: number,
            sign_key: seed(number).signing_key().verify_key(),
            inbox_key: KemPublic::of(&seed(number).inbox()),
            managers: vec![ManagerRef {
                account: manager.account(),
                fingerprint: manager.fingerprint(),
            }],
            carries,
        })
    }

    /// Ben opens chart 13 and keeps grant 14 of it; Ana takes it over.
    fn taken_over_case() -> TakenOverCase {
        let sealed_to = sealed_to_account(&salt(), &ben().fingerprint());
        let kept = GrantTerms {
            grant: id(14),
            generation: 1,
            grant_key: KemPublic::of(&seed(1).grant_seed(id(14))),
            holder_kind: HolderKind::Account,
            holder_hash: holder_hash(&salt(), id(3), &sealed_to),
            sealed_to,
            types: vec![RecordType::LabResults],
            kinds: Kinds::EMPTY,
            records: None,
            valid_from: at(1),
            expires_at: at(20),
            purpose: "TREAT".into(),
            may_download: true,
            write_types: vec![RecordType::LabResults],
            may_reshare: false,
            reshare_key: None,
            parent: None,
            holds: vec![(labs(), Epoch::first(1))],
        };
        let carried = CarriedGrant {
            reshare_key: None,
            grant: id(14),
            grant_key: KemPublic::of(&seed(2).grant_seed(id(14))),
            holds: vec![(labs(), Epoch::first(2))],
        };
        let says = [
            (
                generation(1, &ben(), Vec::new()),
                Some(ben().signing_key().clone()),
            ),
            (PatientSays::Grant(kept), None),
            (
                generation(2, &ana(), vec![carried]),
                Some(seed(2).signing_key()),
            ),
        ];
        let mut statements: Vec<SignedStatement> = Vec::new();
        for (seq, (says, cosigner)) in (0_u8..).zip(says) {
            let statement = PatientStatement {
                patient: id(13),
                seq: seq.into(),
                prev: statements.last().map(SignedStatement::hash),
                at: at(seq),
                says,
            };
            let signer = seed(1).signing_key();
            statements.push(SignedStatement::sign(&statement, &signer, cosigner.as_ref()).unwrap());
        }
        TakenOverCase {
            patient: id(13),
            statements,
            generation: 2,
            managers: vec![id(1)],
            living: vec![id(14)],
            at: at(5),
        }
    }
}
