//! An honest, bounded attempt to open what is stored with what is stored: every
//! 32-byte value of every table, everything that the server's own key opens,
//! and what derives from them, tried as whatever kind of key there is. The
//! owner's own key, which is not stored, is the control: with it, it opens.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_benches::{Call, Engine, PASSWORD, Person, Server};
use chartkey_crypto::{Secret, derive, encode, wrap};
use chartkey_service::{Protect, columns};
use chartkey_store::{Reader, StoreError};
use chartkey_vault::account::PasswordRoot;
use chartkey_vault::keys::{AccountSecrets, PatientSeed, VersionKey, batch_aad, content_aad};
use chartkey_vault::protocol::KdfParams;
use chartkey_vault::record::Place;
use chartkey_vault::{Bytes, Bytes32, Epoch, Id};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Runs a read of the store on a small runtime.
fn read<T: Send + 'static>(
    server: &Server,
    f: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(server.store().read("test.thief", f))
        .unwrap()
}

/// Every table there is.
fn tables(db: &mut Reader, engine: Engine) -> Result<Vec<String>, StoreError> {
    let sql = match engine {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        }
        Engine::Postgres => {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    db.query(sql, &[], |row| row.get(0))
}

/// Every row of every table, as PostgreSQL writes it: bytes in hexadecimal.
pub fn rows_as_text(server: &Server) -> Vec<Vec<u8>> {
    let engine = server.engine();
    read(server, move |db| {
        let mut found = Vec::new();
        for table in tables(db, engine)? {
            let rows: Vec<String> =
                db.query(&format!("SELECT t::text FROM {table} t"), &[], |row| {
                    row.get(0)
                })?;
            found.push(rows.join("\n").into_bytes());
        }
        Ok(found)
    })
}

/// The owner's account seed, opened with the password; and the same as text.
pub fn owners_seed(server: &Server, owner: &Person) -> (Secret, String) {
    let asked = Call::post("/api/auth/prelogin").json(&json!({"email": owner.email}));
    let answer = server.send(&asked).expect(200).json();
    let kdf: KdfParams = serde_json::from_value(answer["kdf"].clone()).unwrap();
    let salt = STANDARD.decode(answer["salt"].as_str().unwrap()).unwrap();
    let root = PasswordRoot::derive(PASSWORD, &salt.try_into().unwrap(), kdf).unwrap();
    let login = json!({"email": owner.email, "auth_key": root.auth_key()});
    let done = server
        .send(&Call::post("/api/auth/login").json(&login))
        .expect(200)
        .json();
    let wrapped: Bytes = serde_json::from_value(done["wrapped_seed"].clone()).unwrap();
    let secrets = root
        .unlock(owner.account.parse().unwrap(), &wrapped)
        .unwrap();
    (
        secrets.seed().clone(),
        STANDARD.encode(secrets.seed().as_bytes()),
    )
}

/// A sealed header and where it lies.
struct Version {
    place: Place,
    batch: Id,
    commitment: Bytes32,
    header: Vec<u8>,
}

/// What there is to open, as it lies in the database.
struct Stored {
    /// Values of 32 bytes, whatever they are.
    candidates: BTreeSet<[u8; 32]>,
    /// Patient, generation, account, sealed seed.
    seeds: Vec<(Id, u32, Id, Vec<u8>)>,
    /// Batch, patient, compartment, generation, n, wrapped key.
    batches: Vec<(Id, Id, String, u32, u32, Vec<u8>)>,
    versions: Vec<Version>,
}

fn id(bytes: &[u8]) -> Id {
    Id::from_bytes(bytes.try_into().expect("an id has 16 bytes"))
}

fn load(server: &Server) -> Stored {
    let engine = server.engine();
    read(server, move |db| {
        let mut candidates = BTreeSet::new();
        for table in tables(db, engine)? {
            for column in blobs_of(db, engine, &table)? {
                let sql =
                    format!("SELECT DISTINCT {column} FROM {table} WHERE LENGTH({column}) = 32");
                let values: Vec<Vec<u8>> = db.query(&sql, &[], |row| row.get(0))?;
                candidates.extend(
                    values
                        .into_iter()
                        .filter_map(|value| <[u8; 32]>::try_from(value).ok()),
                );
            }
        }
        Ok(Stored {
            candidates,
            seeds: db.query("SELECT patient_id, generation, account_id, sealed_seed FROM patient_managers", &[], |row| {
                Ok((id(&row.get::<Vec<u8>>(0)?), row.get(1)?, id(&row.get::<Vec<u8>>(2)?), row.get(3)?))
            })?,
            batches: db.query(
                "SELECT id, patient_id, compartment, generation, n, wrapped FROM batches WHERE wrapped IS NOT NULL",
                &[],
                |row| Ok((id(&row.get::<Vec<u8>>(0)?), id(&row.get::<Vec<u8>>(1)?), row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)),
            )?,
            versions: db.query(
                "SELECT v.record_id, v.version, v.batch_id, r.patient_id, v.commitment, v.header
                 FROM versions v JOIN records r ON r.id = v.record_id ORDER BY v.record_id LIMIT 200",
                &[],
                |row| {
                    let place = Place {
                        patient: id(&row.get::<Vec<u8>>(3)?),
                        record: id(&row.get::<Vec<u8>>(0)?),
                        version: row.get(1)?,
                    };
                    let commitment: Vec<u8> = row.get(4)?;
                    let commitment = Bytes32(commitment.try_into().expect("32 bytes"));
                    Ok(Version { place, batch: id(&row.get::<Vec<u8>>(2)?), commitment, header: row.get(5)? })
                },
            )?,
        })
    })
}

/// The columns of a table that hold bytes.
fn blobs_of(db: &mut Reader, engine: Engine, table: &str) -> Result<Vec<String>, StoreError> {
    let sql = match engine {
        Engine::Sqlite => format!("SELECT name FROM pragma_table_info('{table}') WHERE type = 'BLOB'"),
        Engine::Postgres => format!(
            "SELECT column_name::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = '{table}' AND data_type = 'bytea'"
        ),
    };
    db.query(&sql, &[], |row| row.get(0))
}

/// What the server's own key is, in every reading, and the keys it protects.
fn of_the_servers_key(server: &Server) -> BTreeSet<[u8; 32]> {
    let text = std::fs::read_to_string(server.data().join("encryption.key")).unwrap();
    let text = text.trim();
    let mut keys = BTreeSet::new();
    keys.extend(<[u8; 32]>::try_from(STANDARD.decode(text).unwrap_or_default()).ok());
    keys.insert(Sha256::digest(text).into());
    keys.insert(Sha256::digest(encode::lp(&[b"chartkey/1/server-key", text.as_bytes()])).into());
    let protect = Protect::new(text);
    let settings: Vec<(String, Vec<u8>)> = read(server, |db| {
        db.query("SELECT key, value FROM settings", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    });
    let own = settings.iter().filter_map(|(name, value)| {
        // A setting has no id; its name stands in for one.
        let mut place = [0; 16];
        place
            .iter_mut()
            .zip(name.bytes())
            .for_each(|(to, from)| *to = from);
        let plain = protect
            .open(columns::SETTING, Id::from_bytes(place), value)
            .ok()?;
        <[u8; 32]>::try_from(plain.as_bytes()).ok()
    });
    let own: Vec<_> = own.collect();
    assert!(own.len() >= 2, "the thief can use the server's key");
    keys.extend(own);
    keys
}

/// Whether a value, taken for any kind of key there is, opens a header.
fn opens(stored: &Stored, value: &[u8; 32]) -> Option<&'static str> {
    let key = Secret::from_bytes(*value);
    // The header's own key, a version's, a batch's.
    for version in stored.versions.iter().take(4) {
        let derived = VersionKey::derive(&key, version.place.record, version.place.version);
        for (what, key) in [
            ("a header's key", key.clone()),
            ("a version's key", VersionKey::new(key.clone()).header_key()),
            ("a batch's key", derived.header_key()),
        ] {
            if version.opens_with(&key) {
                return Some(what);
            }
        }
    }
    // A compartment's key, a patient's seed.
    for (batch, patient, compartment, generation, n, wrapped) in stored.batches.iter().take(8) {
        let Ok(compartment) = compartment.parse() else {
            continue;
        };
        let epoch = Epoch {
            generation: *generation,
            n: *n,
        };
        let aad = batch_aad(*patient, compartment, epoch, *batch);
        if wrap::unwrap(&key, &aad, wrapped).is_ok() {
            return Some("a compartment's key");
        }
        let derived =
            PatientSeed::new(*generation, key.clone()).compartment_key(compartment, epoch);
        if wrap::unwrap(&derived, &aad, wrapped).is_ok() {
            return Some("a patient's seed");
        }
    }
    // An account's seed.
    for (patient, generation, account, sealed) in &stored.seeds {
        let secrets = AccountSecrets::new(*account, key.clone());
        if PatientSeed::open_as_manager(*patient, *generation, &secrets, &Bytes(sealed.clone()))
            .is_ok()
        {
            return Some("an account's seed");
        }
    }
    None
}

impl Version {
    fn opens_with(&self, key: &Secret) -> bool {
        let Place {
            patient,
            record,
            version,
        } = self.place;
        let aad = content_aad("header", patient, record, version, &self.commitment);
        chartkey_crypto::stream::open_content(key, &aad, &self.header).is_ok()
    }
}

/// From the owner's seed down to a header: each key of the way is one, and is
/// recognised.
fn control(stored: &Stored, seed: &Secret) {
    let recognised = |key: &Secret, what| assert_eq!(opens(stored, key.as_bytes()), Some(what));
    recognised(seed, "an account's seed");
    let opened = stored
        .seeds
        .iter()
        .find_map(|(patient, generation, account, sealed)| {
            let secrets = AccountSecrets::new(*account, seed.clone());
            PatientSeed::open_as_manager(*patient, *generation, &secrets, &Bytes(sealed.clone()))
                .ok()
        });
    let patient_seed = opened.expect("the owner opens the patient's seed");
    recognised(patient_seed.secret(), "a patient's seed");
    let version = stored.versions.first().expect("a version");
    let batch = stored
        .batches
        .iter()
        .find(|batch| batch.0 == version.batch)
        .expect("its batch");
    let (id, patient, compartment, generation, n, wrapped) = batch;
    let (compartment, epoch) = (
        compartment.parse().unwrap(),
        Epoch {
            generation: *generation,
            n: *n,
        },
    );
    let compartment_key = patient_seed.compartment_key(compartment, epoch);
    let batch_key = wrap::unwrap_secret(
        &compartment_key,
        &batch_aad(*patient, compartment, epoch, *id),
        wrapped,
    )
    .unwrap();
    recognised(&batch_key, "a batch's key");
    let version_key = VersionKey::derive(&batch_key, version.place.record, version.place.version);
    recognised(version_key.secret(), "a version's key");
    recognised(&version_key.header_key(), "a header's key");
}

/// That nothing which is stored opens anything; and that the owner's seed does.
pub fn nothing_opens(server: &Server, seed: &Secret) {
    let stored = load(server);
    assert!(
        stored.batches.len() > 5 && stored.versions.len() >= 100,
        "there is something to open"
    );
    control(&stored, seed);
    let mut candidates = stored.candidates.clone();
    candidates.extend(of_the_servers_key(server));
    assert!(candidates.len() > 1_000, "there are values to try");
    let purposes = [
        "account/kem",
        "password/wrap",
        "recovery/wrap",
        "batch",
        "header",
        "session",
    ];
    let mut tried = 0;
    // KEM openings cost a millisecond: salts and hashes of the trail are tried
    // as they are, and the server's key also with what derives from it.
    let mut all: Vec<[u8; 32]> = candidates.iter().copied().take(3_000).collect();
    for key in of_the_servers_key(server) {
        let key = Secret::from_bytes(key);
        all.extend(
            purposes
                .iter()
                .map(|purpose| *derive(&key, purpose, &[]).as_bytes()),
        );
    }
    for value in &all {
        assert_eq!(opens(&stored, value), None, "a stored value is a key");
        tried += 1;
    }
    eprintln!("{tried} of {} stored values tried", candidates.len());
}
