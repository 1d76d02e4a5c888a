//! Killed again and again while it works: nothing acknowledged is lost, no
//! read that was served is missing from the trail, and the trail is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chartkey_benches::{Answer, Call, Connection, Engine, Person, Server, until};
use chartkey_store::{Reader, StoreError};
use serde_json::{Value, json};

/// How often it is killed.
const KILLS: u64 = 50;
/// Answers before a kill: another number each time.
const fn patience(round: u64) -> u64 {
    20 + (round * 7_919) % 600
}

/// What clients were told, over all rounds.
#[derive(Default)]
struct Told {
    /// Titles of what was imported.
    imported: Mutex<BTreeSet<String>>,
    /// Records that were created one by one.
    created: Mutex<BTreeSet<String>>,
    /// Reads that were served, record by record.
    read: Mutex<BTreeMap<String, u64>>,
    /// Answers in this round.
    answers: AtomicU64,
    stop: AtomicBool,
    count: AtomicU64,
}

impl Told {
    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

/// Works until it is told to stop, over connections that die under it. Every
/// answer that arrives must be one of these.
fn work(address: SocketAddr, told: &Told, step: impl Fn(&mut Connection) -> io::Result<()>) {
    while !told.stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = Connection::open(address) else {
            continue;
        };
        while !told.stop.load(Ordering::Relaxed) && step(&mut connection).is_ok() {
            told.answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn served(answer: Answer, status: u16) -> Option<Value> {
    // What a dying server refuses is refused, and nothing is held against it.
    assert!(
        answer.status == status || answer.status >= 500 || answer.status == 409,
        "{}: {}",
        answer.status,
        answer.text()
    );
    (answer.status == status).then(|| answer.json())
}

fn import(connection: &mut Connection, person: &Person, told: &Told) -> io::Result<()> {
    let titles: Vec<String> = (0..15)
        .map(|_| format!("Imported {}", told.next()))
        .collect();
    let entry: Vec<Value> = titles
        .iter()
        .map(|title| {
            json!({"resource": {"resourceType": "Observation", "id": title.replace(' ', "-"),
            "status": "final", "code": {"text": title}}})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entry});
    let answer = connection.send(
        &Call::post("/api/records")
            .by(person)
            .fhir(bundle.to_string()),
    )?;
    if let Some(report) = served(answer, 200) {
        assert_eq!(report["created"], 15, "{report}");
        told.imported.lock().unwrap().extend(titles);
    }
    Ok(())
}

fn create(connection: &mut Connection, person: &Person, told: &Told) -> io::Result<()> {
    let body = json!({"content": format!("Created {}", told.next())});
    let answer = connection.send(&Call::post("/api/records").by(person).json(&body))?;
    if let Some(made) = served(answer, 201) {
        told.created
            .lock()
            .unwrap()
            .insert(made["id"].as_str().unwrap().to_owned());
    }
    Ok(())
}

fn read(
    connection: &mut Connection,
    person: &Person,
    told: &Told,
    ids: &[String],
) -> io::Result<()> {
    let at = usize::try_from(told.next()).unwrap() % ids.len();
    let id = &ids[at];
    let answer = connection.send(&Call::get(format!("/api/records/{id}")).by(person))?;
    if served(answer, 200).is_some() {
        *told.read.lock().unwrap().entry(id.clone()).or_default() += 1;
    }
    Ok(())
}

/// Every record: id and title.
fn all_records(server: &Server, person: &Person) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut ids, mut titles, mut cursor) = (BTreeSet::new(), BTreeSet::new(), String::new());
    loop {
        let path = format!("/api/records?fields=header&limit=500{cursor}");
        let page = server.send(&Call::get(path).by(person)).expect(200).json();
        for item in page["items"].as_array().unwrap() {
            ids.insert(item["id"].as_str().unwrap().to_owned());
            titles.insert(item["title"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (ids, titles),
        }
    }
}

/// How often the trail says that each record was read.
fn leaves_of_reads(server: &Server) -> BTreeMap<String, u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let rows: Result<Vec<String>, StoreError> =
        runtime.block_on(server.store().read("test.reads", |db: &mut Reader| {
            db.query(
                "SELECT entry FROM ledger WHERE log = 0 AND action = 'record.read'",
                &[],
                |row| row.get(0),
            )
        }));
    let mut counts = BTreeMap::new();
    for entry in rows.unwrap() {
        let entry: Value = serde_json::from_str(&entry).unwrap();
        *counts
            .entry(entry["record"].as_str().unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    counts
}

fn kill_and_look(engine: Engine) {
    let mut server = Server::start_with(
        crate::binary(),
        engine,
        &[("LOG_LEVEL", "warn,chartkey_server::cli=info")],
    );
    let mut person = server.patient("Killed Often");
    let told = Told::default();
    for _ in 0..20 {
        create(&mut server.connect(), &person, &told).unwrap();
    }
    let ids: Vec<String> = told.created.lock().unwrap().iter().cloned().collect();
    for round in 0..KILLS {
        // A token lives for a quarter of an hour; a slow machine needs longer.
        if round % 8 == 7 {
            server.sign_in(&mut person);
        }
        told.answers.store(0, Ordering::Relaxed);
        told.stop.store(false, Ordering::Relaxed);
        let address = server.address();
        std::thread::scope(|scope| {
            let (told, person, ids) = (&told, &person, &ids);
            for _ in 0..2 {
                scope.spawn(move || work(address, told, |c| import(c, person, told)));
                scope.spawn(move || work(address, told, |c| create(c, person, told)));
            }
            for _ in 0..6 {
                scope.spawn(move || work(address, told, |c| read(c, person, told, ids)));
            }
            until("answers", || {
                (told.answers.load(Ordering::Relaxed) >= patience(round)).then_some(())
            });
            server.kill();
            told.stop.store(true, Ordering::Relaxed);
        });
        let verified = server.run(&["audit", "verify"]);
        assert_eq!(
            verified.code,
            Some(0),
            "after kill {round}: {}",
            verified.stderr
        );
        let leaves = leaves_of_reads(&server);
        for (id, count) in told.read.lock().unwrap().iter() {
            let logged = leaves.get(id).copied().unwrap_or_default();
            assert!(
                logged >= *count,
                "after kill {round}: {id} was served {count} times and logged {logged} times"
            );
        }
        server.launch();
        let (present, titles) = all_records(&server, &person);
        let created = told.created.lock().unwrap();
        let lost: Vec<_> = created.difference(&present).collect();
        assert!(
            lost.is_empty(),
            "after kill {round}: created and lost: {lost:?}"
        );
        let imported = told.imported.lock().unwrap();
        let lost: Vec<_> = imported.difference(&titles).collect();
        assert!(
            lost.is_empty(),
            "after kill {round}: imported and lost: {lost:?}"
        );
        // An import is there whole or not at all.
        let whole = titles
            .iter()
            .filter(|title| title.starts_with("Imported "))
            .count();
        assert_eq!(
            whole % 15,
            0,
            "after kill {round}: part of an import is there"
        );
    }
    let reads: u64 = told.read.lock().unwrap().values().sum();
    let (created, imported) = (
        told.created.lock().unwrap().len(),
        told.imported.lock().unwrap().len(),
    );
    eprintln!(
        "{engine:?}: {KILLS} kills, {created} created, {imported} imported, {reads} reads served; nothing lost"
    );
    assert!(
        created > 100 && imported > 100 && reads > 1_000,
        "there was work to lose"
    );
}

#[test]
#[ignore = "kills a server fifty times"]
fn killed_fifty_times_it_loses_nothing_on_sqlite() {
    kill_and_look(Engine::Sqlite);
}

#[test]
#[ignore = "kills a server fifty times"]
fn killed_fifty_times_it_loses_nothing_on_postgresql() {
    if chartkey_benches::engines().contains(&Engine::Postgres) {
        kill_and_look(Engine::Postgres);
    }
}
