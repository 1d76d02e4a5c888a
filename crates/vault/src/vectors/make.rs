//! How the frozen vectors were made, and that they hold.

use std::collections::BTreeMap;
use std::path::Path;

use chartkey_crypto::{seal, vectors::seeded};
use chartkey_fhir::{Kind, Kinds, RecordType, header_for_text};

use super::*;
use crate::{
    account::{change_password, keys_statement, register},
    grant::{HeldVersion, HolderKey},
    protocol::KdfParams,
    record::{BodyKind, Ties, seal_version},
    statement::{
        AccountStatement, CarriedGrant, GenerationTerms, GrantTerms, HolderKind, ManagerRef,
        PatientSays, PatientStatement,
    },
};

#[test]
fn every_frozen_vector_holds() {
    assert!(check_all().unwrap() >= 35);
}

#[test]
fn a_vector_that_does_not_hold_is_named() {
    let case = ContentTagCase {
        dedup: bytes(1),
        canonical: Hex(Vec::new()),
        tag: bytes(2),
    };
    let refused = all("content_tag", &[case], ContentTagCase::holds);
    assert_eq!(refused, Err("content_tag[0] does not hold".to_owned()));
    assert!(all::<ContentTagCase>("content_tag", &[], ContentTagCase::holds).is_err());
}

/// Run once, with an empty file: it refuses to replace vectors.
/// `cargo test --release -p chartkey-vault --lib -- --ignored write_frozen_vectors`
#[test]
#[ignore = "makes the vectors file, which is frozen"]
fn write_frozen_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/vault1.json");
    assert!(VAULT1.is_empty(), "frozen vectors are never replaced");
    let text = serde_json::to_string_pretty(&file()).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> Hex {
    Hex(bytes.as_ref().to_vec())
}

pub(super) fn bytes(seed: u64) -> Hex {
    hex(secret(seed).as_bytes())
}

pub(super) fn secret(seed: u64) -> Secret {
    Secret::random(&mut seeded(seed))
}

pub(super) fn id(n: u8) -> Id {
    Id::new(1_767_225_600_000, &mut seeded(n.into()))
}

pub(super) fn at(hour: u8) -> Timestamp {
    format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
}

const KDF: KdfParams = KdfParams {
    m_kib: 65536,
    t: 3,
    p: 1,
};

pub(super) fn labs() -> Compartment {
    Compartment::new(RecordType::LabResults, Kinds::EMPTY)
}

fn sensitive() -> Compartment {
    let kinds = [Kind::MentalHealth, Kind::Hiv].into_iter().collect();
    Compartment::new(RecordType::Conditions, kinds)
}

/// Ana, whose record it is: account 1, patient 2. Ben: account 3. Grants 4 to
/// an account, 5 to a link, 6 of a single record.
pub(super) fn ana() -> AccountSecrets {
    AccountSecrets::new(id(1), secret(101))
}

pub(super) fn ben() -> AccountSecrets {
    AccountSecrets::new(id(3), secret(103))
}

pub(super) fn seed(generation: u32) -> PatientSeed {
    PatientSeed::new(generation, secret(200 + u64::from(generation)))
}

fn file() -> File {
    File {
        account: vec![account_case(&ana()), account_case(&ben())],
        password: vec![password_case()],
        recovery: vec![recovery_case()],
        previous: vec![previous_case()],
        patient_seed: [1, 2].into_iter().map(patient_seed_case).collect(),
        generation: vec![generation_case()],
        statement: statement_cases(),
        account_chain: vec![account_chain_case()],
        patient_chain: vec![patient_chain_case()],
        holder: vec![holder_case()],
        compartment: compartment_cases(),
        epoch_link: epoch_link_cases(),
        batch: vec![batch_case(labs()), batch_case(sensitive())],
        envelope: envelope_cases(),
        extra: vec![extra_case()],
        version: version_cases(),
        keyring: keyring_cases(),
        cover: cover_cases(),
        link: vec![link_case()],
        request: vec![request_case()],
        identity_tag: identity_tag_cases(),
        content_tag: content_tag_cases(),
    }
}

fn account_case(secrets: &AccountSecrets) -> AccountCase {
    AccountCase {
        account: secrets.account(),
        seed: hex(secrets.seed().as_bytes()),
        kem_key: hex(secrets.kem_public().as_bytes()),
        sign_key: hex(secrets.signing_key().verify_key().as_bytes()),
        fingerprint: hex(secrets.fingerprint().0),
        dedup: hex(secrets.dedup_key().as_bytes()),
    }
}

fn password_case() -> PasswordCase {
    let root = PasswordRoot::of(secret(110));
    let way_in = change_password(&ana(), &root, &mut seeded(111));
    PasswordCase {
        account: id(1),
        root: bytes(110),
        auth_key: hex(way_in.auth_key.0),
        wrapped_seed: hex(way_in.wrapped_seed.0),
        seed: bytes(101),
    }
}

fn recovery_case() -> RecoveryCase {
    let root = PasswordRoot::of(secret(112));
    let made = register(&root, KDF, false, at(0), &mut seeded(113)).unwrap();
    RecoveryCase {
        account: made.secrets.account(),
        code: made.recovery.to_text().to_string(),
        auth_key: hex(made.request.recovery.auth_key.0),
        wrapped_seed: hex(made.request.recovery.wrapped_seed.0),
        seed: hex(made.secrets.seed().as_bytes()),
    }
}

fn previous_case() -> PreviousCase {
    let now = AccountSecrets::new(id(1), secret(114));
    PreviousCase {
        account: id(1),
        seed: bytes(114),
        wrapped: hex(now.wrap_previous(&ana(), &mut seeded(115)).0),
        previous: bytes(101),
    }
}

fn patient_seed_case(generation: u32) -> PatientSeedCase {
    let seed = seed(generation);
    let sealed = seed.seal_to_manager(
        id(2),
        id(1),
        &ana().kem_public(),
        &mut seeded(120 + u64::from(generation)),
    );
    PatientSeedCase {
        patient: id(2),
        generation,
        account: id(1),
        account_seed: bytes(101),
        sealed: hex(sealed.0),
        seed: hex(seed.secret().as_bytes()),
        sign_key: hex(seed.signing_key().verify_key().as_bytes()),
        inbox_seed: hex(seed.inbox().as_bytes()),
        inbox_key: hex(KemPublic::of(&seed.inbox()).as_bytes()),
        dedup: hex(seed.dedup_key().as_bytes()),
    }
}

fn generation_case() -> GenerationCase {
    GenerationCase {
        patient: id(2),
        generation: 1,
        seed: hex(seed(2).secret().as_bytes()),
        wrapped: hex(seed(2).wrap_previous(id(2), &seed(1), &mut seeded(130)).0),
        previous: hex(seed(1).secret().as_bytes()),
    }
}

fn generation_says(generation: u32, carries: Vec<CarriedGrant>) -> PatientSays {
    let seed = seed(generation);
    PatientSays::Generation(GenerationTerms {
        generation,
        sign_key: seed.signing_key().verify_key(),
        inbox_key: KemPublic::of(&seed.inbox()),
        managers: vec![ManagerRef {
            account: id(1),
            fingerprint: ana().fingerprint(),
        }],
        carries,
    })
}

pub(super) fn salt() -> Bytes32 {
    Bytes32(*secret(140).as_bytes())
}

fn terms(grant: u8, holder_kind: HolderKind) -> GrantTerms {
    let key = seed(1).link_key(id(grant));
    let (holder, sealed_to) = match holder_kind {
        HolderKind::Account => (id(3), sealed_to_account(&salt(), &ben().fingerprint())),
        HolderKind::Link => (id(grant), sealed_to_link(&key)),
    };
    let single = grant == 6;
    GrantTerms {
        grant: id(grant),
        generation: 1,
        grant_key: KemPublic::of(&seed(1).grant_seed(id(grant))),
        holder_kind,
        holder_hash: holder_hash(&salt(), holder, &sealed_to),
        sealed_to,
        types: vec![RecordType::LabResults, RecordType::Conditions],
        kinds: sensitive().kinds,
        records: single.then(|| vec![id(7)]),
        valid_from: at(1),
        expires_at: at(20),
        purpose: "TREAT".into(),
        may_download: true,
        write_types: vec![RecordType::LabResults],
        may_reshare: false,
        reshare_key: None,
        parent: None,
        holds: if single {
            Vec::new()
        } else {
            vec![(labs(), Epoch::first(1)), (sensitive(), Epoch::first(1))]
        },
    }
}

/// One of each kind of statement, in one chain.
fn patient_chain() -> Vec<SignedStatement> {
    let second = Epoch::first(1).next();
    let carried = CarriedGrant {
        reshare_key: None,
        grant: id(4),
        grant_key: KemPublic::of(&seed(2).grant_seed(id(4))),
        holds: vec![(labs(), Epoch::first(2))],
    };
    let says = vec![
        generation_says(1, Vec::new()),
        PatientSays::Grant(terms(4, HolderKind::Account)),
        PatientSays::Grant(terms(5, HolderKind::Link)),
        PatientSays::Grant(terms(6, HolderKind::Account)),
        PatientSays::Terms {
            grant: id(4),
            expires_at: at(22),
        },
        PatientSays::End { grant: id(5) },
        PatientSays::Epochs {
            begun: vec![(labs(), second), (sensitive(), second)],
            reissued: vec![id(4)],
        },
        generation_says(2, vec![carried]),
    ];
    let mut chain: Vec<SignedStatement> = Vec::new();
    for (seq, says) in (0..).zip(says) {
        let key = seed(1).signing_key();
        let cosigner = match seq {
            0 => Some(ana().signing_key().clone()),
            7 => Some(seed(2).signing_key()),
            _ => None,
        };
        let statement = PatientStatement {
            patient: id(2),
            seq,
            prev: chain.last().map(SignedStatement::hash),
            at: at(u8::try_from(seq).unwrap()),
            says,
        };
        chain.push(SignedStatement::sign(&statement, &key, cosigner.as_ref()).unwrap());
    }
    chain
}

fn statement_cases() -> Vec<StatementCase> {
    let key =
        |secret: Secret, purpose| hex(chartkey_crypto::derive(&secret, purpose, &[]).as_bytes());
    let mut cases: Vec<StatementCase> = Vec::new();
    for (at, statement) in patient_chain().into_iter().enumerate() {
        cases.push(StatementCase {
            sign_seed: key(seed(1).secret().clone(), "patient/sign"),
            cosign_seed: match at {
                0 => Some(key(secret(101), "account/sign")),
                7 => Some(key(seed(2).secret().clone(), "patient/sign")),
                _ => None,
            },
            hash: hex(statement.hash().0),
            statement,
        });
    }
    let first = keys_statement(&ana(), None, at(0)).unwrap();
    let _: AccountStatement = first.account_statement().unwrap();
    cases.push(StatementCase {
        sign_seed: key(secret(101), "account/sign"),
        cosign_seed: None,
        hash: hex(first.hash().0),
        statement: first,
    });
    cases
}

fn account_chain_case() -> AccountChainCase {
    let first = keys_statement(&ana(), None, at(0)).unwrap();
    let offered = AccountKeys {
        account: id(1),
        statements: vec![first.clone()],
    };
    let head = VerifiedAccount::verify(&offered, None).unwrap().head;
    let new = AccountSecrets::new(id(1), secret(114));
    let second = keys_statement(&new, Some((&ana(), head)), at(9)).unwrap();
    AccountChainCase {
        account: id(1),
        head: hex(second.hash().0),
        statements: vec![first, second],
        fingerprints: vec![hex(ana().fingerprint().0), hex(new.fingerprint().0)],
    }
}

fn patient_chain_case() -> PatientChainCase {
    // As it stood before the second generation: something is living, ended and
    // about to be stale.
    let mut statements = patient_chain();
    statements.truncate(6);
    PatientChainCase {
        patient: id(2),
        generation: 1,
        head: hex(statements.last().unwrap().hash().0),
        statements,
        epochs: vec![(labs(), Epoch::first(1)), (sensitive(), Epoch::first(1))],
        living: sorted([id(4), id(6)]),
        ended: vec![id(5)],
        at: at(10),
        stale: vec![labs(), sensitive()],
    }
}

fn sorted(ids: impl IntoIterator<Item = Id>) -> Vec<Id> {
    let ids: std::collections::BTreeSet<Id> = ids.into_iter().collect();
    ids.into_iter().collect()
}

fn holder_case() -> HolderCase {
    let terms = terms(4, HolderKind::Account);
    HolderCase {
        salt: hex(salt().0),
        holder: id(3),
        fingerprint: hex(ben().fingerprint().0),
        sealed_to: hex(terms.sealed_to.0),
        holder_hash: hex(terms.holder_hash.0),
    }
}

fn compartment_cases() -> Vec<CompartmentCase> {
    let places = [
        (labs(), Epoch::first(1)),
        (labs(), Epoch::first(1).next()),
        (sensitive(), Epoch::first(2)),
    ];
    let case = |(compartment, epoch): (Compartment, Epoch)| CompartmentCase {
        seed: hex(seed(epoch.generation).secret().as_bytes()),
        compartment,
        epoch,
        key: hex(seed(epoch.generation)
            .compartment_key(compartment, epoch)
            .as_bytes()),
    };
    places.into_iter().map(case).collect()
}

fn epoch_link_cases() -> Vec<EpochLinkCase> {
    let (first, second, next) = (Epoch::first(1), Epoch::first(1).next(), Epoch::first(2));
    let case = |(previous, epoch): (Epoch, Epoch)| {
        let newer = seed(epoch.generation).compartment_key(labs(), epoch);
        let older = seed(previous.generation).compartment_key(labs(), previous);
        let aad = epoch_link_aad(id(2), labs(), epoch, previous);
        EpochLinkCase {
            patient: id(2),
            compartment: labs(),
            epoch,
            previous,
            wrapped: hex(wrap::wrap(&newer, &aad, older.as_bytes(), &mut seeded(150))),
            key: hex(newer.as_bytes()),
            previous_key: hex(older.as_bytes()),
        }
    };
    [(first, second), (second, next)]
        .into_iter()
        .map(case)
        .collect()
}

fn batch_case(compartment: Compartment) -> BatchCase {
    let epoch = Epoch::first(1);
    let wrapper = seed(1).compartment_key(compartment, epoch);
    let aad = batch_aad(id(2), compartment, epoch, id(8));
    let wrapped = wrap::wrap(&wrapper, &aad, secret(160).as_bytes(), &mut seeded(161));
    BatchCase {
        patient: id(2),
        compartment,
        epoch,
        batch: id(8),
        compartment_key: hex(wrapper.as_bytes()),
        wrapped: hex(wrapped),
        key: bytes(160),
    }
}

fn envelope_cases() -> Vec<EnvelopeCase> {
    let account = chartkey_crypto::derive(&secret(103), "account/kem", &[]);
    let cases = [
        (RecipientKind::Inbox, id(2), seed(1).inbox()),
        (RecipientKind::Grant, id(4), seed(1).grant_seed(id(4))),
        (RecipientKind::Account, id(3), account),
    ];
    let case = |(to, to_id, private): (RecipientKind, Id, Secret)| {
        let aad = envelope_aad(id(2), sensitive(), to, to_id, id(8));
        let public = KemPublic::of(&private);
        let key = secret(160);
        let sealed = seal::seal_to(
            &public,
            ENVELOPE_INFO,
            &aad,
            key.as_bytes(),
            &mut seeded(162),
        );
        EnvelopeCase {
            patient: id(2),
            compartment: sensitive(),
            to,
            id: to_id,
            batch: id(8),
            seed: hex(private.as_bytes()),
            sealed: hex(sealed),
            key: hex(key.as_bytes()),
        }
    };
    cases.into_iter().map(case).collect()
}

pub(super) fn version_key(version: u32) -> VersionKey {
    VersionKey::derive(&secret(160), id(7), version)
}

fn extra_case() -> ExtraCase {
    let private = seed(1).grant_seed(id(6));
    let aad = version_envelope_aad(id(2), id(7), 2, id(6));
    let public = KemPublic::of(&private);
    let key = version_key(2);
    let key = key.secret().as_bytes();
    ExtraCase {
        patient: id(2),
        record: id(7),
        version: 2,
        grant: id(6),
        seed: hex(private.as_bytes()),
        sealed: hex(seal::seal_to(
            &public,
            VERSION_INFO,
            &aad,
            key,
            &mut seeded(163),
        )),
        key: hex(key),
    }
}

fn version_cases() -> Vec<VersionCase> {
    let author = chartkey_crypto::derive(&secret(101), "account/sign", &[]);
    let head = Bytes32(*secret(170).as_bytes());
    let first = Ties {
        previous: None,
        head: Some(head),
    };
    let second = Ties {
        previous: Some(version_key(1).commitment()),
        head: Some(head),
    };
    vec![
        version_case(1, "Glucose 5.4 mmol/L", first, Some(&author)),
        version_case(2, "Glucose 5.6 mmol/L, corrected", second, Some(&author)),
        version_case(3, "", Ties::default(), None),
    ]
}

fn version_case(version: u32, text: &str, ties: Ties, author: Option<&Secret>) -> VersionCase {
    let key = version_key(version);
    let place = Place {
        patient: id(2),
        record: id(7),
        version,
    };
    let fields = Fields {
        body: BodyKind::Text,
        content_type: "text/plain".into(),
        size: text.len() as u64,
        file_name: None,
        header: header_for_text(Some("Glucose"), text, Some("2026-01-01")),
        author_name: author.map(|_| "Ana".into()),
    };
    let signer = author.map(SigningKey::from_secret);
    let rng = &mut seeded(170 + u64::from(version));
    let sealed = seal_version(
        &key,
        place,
        &fields,
        text.as_bytes(),
        ties,
        signer.as_ref(),
        rng,
    );
    let sealed = sealed.unwrap();
    VersionCase {
        patient: id(2),
        record: id(7),
        version,
        batch_key: bytes(160),
        key: hex(key.secret().as_bytes()),
        commitment: hex(sealed.commitment.0),
        header: hex(sealed.header.0),
        body: hex(sealed.body.0),
        fields: serde_json::to_string(&fields).unwrap(),
        plain: hex(text),
        previous: ties.previous.map(|p| hex(p.0)),
        head: ties.head.map(|h| hex(h.0)),
        author: author.map(|a| hex(a.as_bytes())),
    }
}

fn to_ben() -> HolderKey {
    HolderKey::Account {
        account: id(3),
        key: ben().kem_public(),
        fingerprint: ben().fingerprint(),
    }
}

fn keyring_cases() -> Vec<KeyringCase> {
    let holds = BTreeMap::from([
        (labs(), Epoch::first(1).next()),
        (sensitive(), Epoch::first(1)),
    ]);
    let version = HeldVersion {
        record: id(7),
        version: 1,
        key: version_key(1).secret().clone(),
    };
    let key = seed(1).link_key(id(5));
    let cases = [
        (Keyring::for_compartments(&seed(1), id(4), &holds), to_ben()),
        (
            Keyring::for_compartments(&seed(1), id(5), &holds),
            HolderKey::Link(key),
        ),
        (
            Keyring::for_versions(&seed(1), id(6), vec![version]),
            to_ben(),
        ),
    ];
    let case = |(keyring, holder): (Keyring, HolderKey)| KeyringCase {
        patient: id(2),
        grant: keyring.grant,
        sealed: hex(keyring.seal(id(2), &holder, &mut seeded(180)).unwrap().0),
        plain: serde_json::to_string(&keyring).unwrap(),
        holder: holder_secret(&holder),
    };
    cases.into_iter().map(case).collect()
}

fn holder_secret(holder: &HolderKey) -> HolderSecret {
    match holder {
        HolderKey::Account { account, .. } => HolderSecret::Account(*account, bytes(103)),
        HolderKey::Link(key) => HolderSecret::Link(hex(key.secret().as_bytes())),
    }
}

fn cover_cases() -> Vec<CoverCase> {
    let cover = Cover {
        patient_name: "Ana".into(),
        birth_date: Some("1980-02-29".into()),
        sender: "Ana".into(),
        recipient: "Ben".into(),
        purpose: Some("Check-up".into()),
        message: None,
    };
    let plain = serde_json::to_string(&cover).unwrap();
    let mut cases = Vec::new();
    for (grant, holder) in [(4, to_ben()), (5, HolderKey::Link(seed(1).link_key(id(5))))] {
        let sealed = cover
            .seal(id(2), id(grant), &holder, &mut seeded(181))
            .unwrap();
        cases.push(CoverCase {
            patient: id(2),
            grant: id(grant),
            holder: holder_secret(&holder),
            sealed: hex(sealed.0),
            plain: plain.clone(),
        });
    }
    let wrapped = cover
        .wrap(id(2), id(4), &seed(1), &mut seeded(182))
        .unwrap();
    cases.push(CoverCase {
        patient: id(2),
        grant: id(4),
        holder: HolderSecret::Managers(hex(seed(1).secret().as_bytes())),
        sealed: hex(wrapped.0),
        plain,
    });
    cases
}

fn link_case() -> LinkCase {
    let key = seed(1).link_key(id(5));
    let token = link::make_token(&mut seeded(190));
    LinkCase {
        seed: hex(seed(1).secret().as_bytes()),
        grant: id(5),
        key: hex(key.secret().as_bytes()),
        auth: hex(key.auth().0),
        sealed_to: hex(sealed_to_link(&key).0),
        keyring_key: hex(key.keyring_key().as_bytes()),
        cover_key: hex(key.cover_key().as_bytes()),
        url: link::url("https://chartkey.example", &token, &key).to_string(),
    }
}

fn request_case() -> RequestCase {
    let inbox = KemPublic::of(&seed(1).inbox());
    let (request, asker, words) = (id(9), id(3), "Please share your results.");
    RequestCase {
        patient: id(2),
        request,
        asker,
        seed: hex(seed(1).secret().as_bytes()),
        sealed: hex(asking::seal_words(&inbox, id(2), request, asker, words, &mut seeded(191)).0),
        plain: words.into(),
    }
}

fn identity_tag_cases() -> Vec<IdentityTagCase> {
    let case = |(source, placement, identity): (&str, &str, &str)| IdentityTagCase {
        dedup: hex(seed(1).dedup_key().as_bytes()),
        source: source.into(),
        placement: placement.into(),
        identity: identity.into(),
        tag: hex(identity_tag(&seed(1).dedup_key(), source, placement, identity).0),
    };
    let cases = [
        ("upload", "", "Observation/glucose"),
        ("upload", "lab-results", "Practitioner/lee"),
        ("upload", "", "content:00ff"),
    ];
    cases.into_iter().map(case).collect()
}

fn content_tag_cases() -> Vec<ContentTagCase> {
    let case = |canonical: &[u8]| ContentTagCase {
        dedup: hex(seed(1).dedup_key().as_bytes()),
        canonical: hex(canonical),
        tag: hex(content_tag(&seed(1).dedup_key(), canonical).0),
    };
    vec![case(b""), case(br#"{"resourceType":"Observation"}"#)]
}
