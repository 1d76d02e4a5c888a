//! A thief takes everything that is stored: the database with its log, blobs,
//! the server's own key, logs, mails. After a record was imported and
//! everything was used, no clinical word of it stands anywhere, no secret does,
//! and nothing that is stored opens a record.

mod keys;
mod search;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chartkey_benches::{
    Call, Engine, PASSWORD, Person, Server, bundle, clinical_strings, engines, until,
};
use chartkey_fhir::{Kind, RecordType};
use serde_json::{Value, json};

use search::Needles;

/// Words that only this test says; each is told to the server in confidence.
const FILE_TEXT: &str = "Zweitbefund der Radiologie, streng vertraulich";
const NOTE: &str = "She said that nobody may know of the tremor";
const QUERY: &str = "tremor of the left hand";
const MESSAGE: &str = "Dear doctor, have a look at my sugar please";
const PASSCODE: &str = "passcode-4711-xyz";
const IDEMPOTENCY_KEY: &str = "idempotency-key-8d1f6c2a77";

fn records(person: &Person) -> Call {
    Call::post("/api/records").by(person)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// What the use of everything leaves in the test's hands.
struct Used {
    /// Must be nowhere that is stored, nor in any mail.
    secrets: Vec<String>,
    /// Must be nowhere that is stored; their own mail carries them.
    mailed: Vec<String>,
    /// What mails said.
    mails: Vec<Value>,
    owner: Person,
}

/// A server without any patient's record: what it says, it says by itself.
fn baseline(engine: Engine) -> Vec<Vec<u8>> {
    let mut server = Server::start_with(crate::binary(), engine, &[("LOG_LEVEL", "trace")]);
    let admin = server.admin();
    let owner = server.patient("Base Line");
    let provider = server.provider("Base Provider", &admin);
    let made = server
        .send(&records(&owner).json(&json!({"content": "0123", "title": "0123"})))
        .expect(201);
    let _ = server
        .send(&Call::get(format!("/api/records/{}", text(&made.json(), "id"))).by(&owner))
        .expect(200);
    let _ = server
        .send(&Call::get("/api/audit").by(&provider))
        .expect(200);
    server.stop();
    stored(&server)
}

/// Everything that a thief finds: files, and on PostgreSQL every row.
fn stored(server: &Server) -> Vec<Vec<u8>> {
    let mut found = vec![server.log().into_bytes()];
    let mut waiting = vec![server.data()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(fs::read(&path).unwrap());
            }
        }
    }
    if server.engine() == Engine::Postgres {
        found.extend(keys::rows_as_text(server));
    }
    found
}

/// Uses everything that there is to use.
fn use_everything(server: &mut Server, whole: &str) -> Used {
    let admin = server.admin();
    let owner = server.patient("Olive Owner");
    let provider = server.provider("Percy Provider", &admin);
    let mut secrets = vec![
        PASSWORD.to_owned(),
        owner.recovery_code.clone(),
        owner.recovery_code.replace('-', ""),
        provider.recovery_code.clone(),
        PASSCODE.to_owned(),
        IDEMPOTENCY_KEY.to_owned(),
        "wrong-password-of-mine-1".to_owned(),
    ];
    for person in [&owner, &provider, &admin] {
        secrets.extend([person.access.clone(), person.refresh.clone()]);
    }
    let report = server.send(&records(&owner).fhir(whole)).expect(200).json();
    assert!(report["created"].as_u64().unwrap() > 1_000, "{report}");
    let again = server.send(&records(&owner).fhir(whole)).expect(200).json();
    assert_eq!(again["created"], 0);

    // Files: one that lies in the database, one that is a blob.
    let mut file = FILE_TEXT.as_bytes().to_vec();
    let small = records(&owner).form(&[("title", NOTE)], "befund-geheim.txt", "text/plain", &file);
    let small = server.send(&small).expect(201).json();
    file = FILE_TEXT.repeat(120_000).into_bytes();
    let large = records(&owner).form(
        &[("title", NOTE)],
        "befund-geheim.bin",
        "application/octet-stream",
        &file,
    );
    let large = server.send(&large).expect(201).json();
    for made in [&small, &large] {
        let path = format!("/api/records/{}/content", text(made, "id"));
        let content = server.send(&Call::get(path).by(&owner)).expect(200);
        assert!(content.body.starts_with(FILE_TEXT.as_bytes()));
    }
    let note = records(&owner)
        .json(&json!({"content": NOTE, "title": NOTE}))
        .header("Idempotency-Key", IDEMPOTENCY_KEY);
    let note = server.send(&note).expect(201).json();
    let path = format!("/api/records/{}", text(&note, "id"));
    let change = Call::put(&path)
        .by(&owner)
        .header("If-Match", "\"1\"")
        .json(&json!({"content": format!("{NOTE}, again")}));
    let _ = server.send(&change).expect(200);
    let search = QUERY.replace(' ', "%20");
    let _ = server
        .send(&Call::get(format!("/api/records?q={search}")).by(&owner))
        .expect(200);
    let _ = server
        .send(&Call::get("/api/records?limit=500").by(&owner))
        .expect(200);
    let _ = server
        .send(&Call::get("/api/records/summary").by(&owner))
        .expect(200);
    let _ = server
        .send(&Call::delete(format!("/api/records/{}", text(&small, "id"))).by(&owner))
        .expect(204);

    // Broken input that carries words.
    let cut = &whole[..whole.len() / 2];
    assert_eq!(server.send(&records(&owner).fhir(cut)).status, 400);
    let wrong = json!({"email": owner.email, "password": "wrong-password-of-mine-1"});
    assert_eq!(
        server
            .send(&Call::post("/api/auth/login").json(&wrong))
            .status,
        401
    );

    let mailed = share(server, &owner, &provider, &mut secrets);
    sessions(server, &owner, &mut secrets);
    let mails = until("the share's mail", || {
        let mails = server.mails();
        mails
            .iter()
            .any(|mail| text(mail, "to").contains("carer@chartkey.test"))
            .then_some(mails)
    });
    Used {
        secrets,
        mailed,
        mails,
        owner,
    }
}

/// A grant, a write by the grantee, a link by mail, opened and downloaded.
fn share(
    server: &Server,
    owner: &Person,
    provider: &Person,
    secrets: &mut Vec<String>,
) -> Vec<String> {
    let grant = json!({"provider_id": provider.account, "record_types": ["lab-results", "documents"],
        "expiry_date": "2999-01-01", "purpose": "routine_checkup", "allow_write": true, "allow_download": true});
    let refused = server.send(&Call::post("/api/sharing/grant").by(owner).json(&grant));
    assert_eq!(refused.status, 422, "too far ahead: {}", refused.text());
    let until = expiry();
    let mut grant = grant;
    grant["expiry_date"] = until.clone().into();
    let _ = server
        .send(&Call::post("/api/sharing/grant").by(owner).json(&grant))
        .expect(201);
    let list = Call::get(format!(
        "/api/records?patient_id={}&limit=500",
        owner.patient
    ))
    .by(provider);
    assert!(
        !server.send(&list).expect(200).json()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let write = Call::post(format!("/api/records?patient_id={}", owner.patient)).by(provider);
    let _ = server
        .send(&write.json(&json!({"content": format!("{NOTE}, said the provider")})))
        .expect(201);

    let link = json!({"recipientEmail": "carer@chartkey.test", "recipientName": "Carla Carer", "message": MESSAGE,
        "recordTypes": ["lab-results", "documents"], "expiryDate": until, "allowDownload": true,
        "passcode": PASSCODE, "sendEmail": "link"});
    let made = server
        .send(&Call::post("/api/records/share").by(owner).json(&link))
        .expect(201)
        .json();
    let token = text(&made["share"], "accessToken");
    let url = text(&made, "url");
    let key = url.rsplit('#').next().unwrap().to_owned();
    assert!(key.len() >= 43, "{url}");
    let open = |method: &str, key: &str| {
        Call::new(method, format!("/api/records/shared/{token}"))
            .header("X-Share-Key", key)
            .header("X-Share-Passcode", PASSCODE)
            .header("X-Share-Recipient", "Carla%20Carer")
    };
    let opened = server.send(&open("GET", &key)).expect(200);
    assert!(opened.text().contains(NOTE), "what was written later shows");
    let taken = server
        .send(&open("POST", &key).header("Accept", "application/fhir+json"))
        .expect(200);
    assert!(taken.text().contains("Bundle"));
    assert_eq!(server.send(&open("GET", &"A".repeat(43))).status, 401);
    secrets.extend(made["shlink"].as_str().map(str::to_owned));
    vec![key]
}

/// Rotates, changes the password, recovers.
fn sessions(server: &Server, owner: &Person, secrets: &mut Vec<String>) {
    let refreshed = server
        .send(&Call::post("/api/auth/refresh").json(&json!({"refresh_token": owner.refresh})));
    let refreshed = refreshed.expect(200).json();
    secrets.extend([
        text(&refreshed, "access_token"),
        text(&refreshed, "refresh_token"),
    ]);
    let new = "another-unlikely-password-9922";
    let recover =
        json!({"email": owner.email, "recovery_code": owner.recovery_code, "new_password": new});
    let done = server
        .send(&Call::post("/api/auth/recover").json(&recover))
        .expect(200)
        .json();
    secrets.extend([
        new.to_owned(),
        text(&done, "recovery_code"),
        text(&done, "access_token"),
        text(&done, "refresh_token"),
    ]);
    // Back to the password that everybody here types.
    let change = json!({"current_password": new, "new_password": PASSWORD});
    let call = Call::post("/api/auth/password")
        .token(&text(&done, "access_token"))
        .json(&change);
    let _ = server.send(&call).expect(204);
}

/// Thirty days ahead, as a date.
fn expiry() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", "+30 days", "+%Y-%m-%d"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Chartkey's own words: record types and kinds, as words and as labels.
fn own_words() -> BTreeSet<String> {
    let types = RecordType::ALL.iter().flat_map(|t| [t.as_str(), t.label()]);
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    types.chain(kinds).map(str::to_lowercase).collect()
}

/// The words of the record that Chartkey does not say by itself.
fn clinical(engine: Engine, whole: &str) -> BTreeSet<String> {
    let mut words = clinical_strings(whole);
    words.extend([FILE_TEXT, NOTE, QUERY, "befund-geheim"].map(str::to_owned));
    let own = own_words();
    words.retain(|word| !own.contains(&word.to_lowercase()));
    let all = words.len();
    assert!(all > 500, "a record has many words: {all}");
    let said: BTreeSet<String> = Needles::new(words.iter())
        .found_in(&baseline(engine))
        .into_keys()
        .collect();
    eprintln!("{} of {all} words are Chartkey's own: {said:?}", said.len());
    assert!(
        said.len() < 30,
        "too many words are Chartkey's own: {said:?}"
    );
    words.retain(|word| !said.contains(word));
    words
}

fn nothing_is_found(what: &str, needles: &Needles, places: &[Vec<u8>]) {
    let found = needles.found_in(places);
    assert!(found.is_empty(), "{what}: {found:#?}");
}

#[test]
fn the_search_finds_what_is_there_in_every_form() {
    search::check();
}

#[test]
fn nothing_that_is_stored_tells_or_opens_anything() {
    for engine in engines() {
        eprintln!("on {engine:?}");
        let whole = bundle("s07-many-labs-elder");
        let words = clinical(engine, &whole);
        let mut server = Server::start_with(crate::binary(), engine, &[("LOG_LEVEL", "trace")]);
        let used = use_everything(&mut server, &whole);
        let opening = keys::owners_seed(&server, &used.owner);
        server.stop();
        assert!(
            server.log().lines().count() > 40,
            "the log tells all that it can"
        );
        let places = stored(&server);
        let bytes: usize = places.iter().map(Vec::len).sum();
        eprintln!(
            "{bytes} bytes in {} places, {} words",
            places.len(),
            words.len()
        );
        assert!(bytes > 5_000_000, "everything was collected");

        nothing_is_found(
            "clinical words in what is stored",
            &Needles::new(words.iter()),
            &places,
        );
        let secrets = used
            .secrets
            .iter()
            .chain(&used.mailed)
            .chain(std::iter::once(&opening.1));
        let mut secrets: Vec<String> = secrets.cloned().collect();
        secrets.push(MESSAGE.to_owned());
        secrets.extend(
            secrets
                .clone()
                .iter()
                .flat_map(|secret| search::parts_of(secret)),
        );
        nothing_is_found(
            "secrets in what is stored",
            &Needles::new(secrets.iter()),
            &places,
        );

        let mails: Vec<Vec<u8>> = used
            .mails
            .iter()
            .map(|mail| mail.to_string().into_bytes())
            .collect();
        assert!(mails.len() >= 4, "mails were sent");
        nothing_is_found(
            "clinical words in mails",
            &Needles::new(words.iter()),
            &mails,
        );
        nothing_is_found(
            "secrets in mails",
            &Needles::new(used.secrets.iter()),
            &mails,
        );
        for (mail, bytes) in used.mails.iter().zip(&mails) {
            if !text(mail, "to").contains("carer@chartkey.test") {
                let carried = Needles::new(used.mailed.iter().chain([&MESSAGE.to_owned()]))
                    .found_in(std::slice::from_ref(bytes));
                assert!(
                    carried.is_empty(),
                    "a mail to somebody else carries {carried:?}"
                );
            }
        }
        keys::nothing_opens(&server, &opening.0);
        assert!(Path::new(&server.data()).exists());
    }
}
