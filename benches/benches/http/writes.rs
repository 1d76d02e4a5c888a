//! Writing: imports and single records, sealed beforehand by the client; and
//! imports that the server seals.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chartkey_benches::{Call, Person, Server, bundle};
use chartkey_fhir::{Compartment, Header, Kinds, Limits, RecordType, plan_import};
use chartkey_vault::http::SEALED;
use chartkey_vault::protocol::SealedWrite;
use chartkey_vault::record::{BodyKind, Fields};
use chartkey_vault::write::{Draft, DraftBody, new_id};

use crate::load::{self, Bytes};
use crate::report::{Aim, Figure, Report};
use crate::sealed::{Sealed, block_on, now};
use crate::{CLIENTS, serve, with_leaves};

/// Patients whose imports run beside each other.
const IMPORTS: usize = 16;
/// Imports at the same time.
const AT_ONCE: usize = 4;
/// Single records written.
const SINGLES: usize = 12_000;

pub fn measure(report: &mut Report) {
    let server = serve();
    let people: Vec<Person> = (0..IMPORTS)
        .map(|n| server.patient(&format!("Writer {n}")))
        .collect();
    let whole = bundle("s07-many-labs-elder");
    import(&server, &people, &whole, report);
    singles(&server, &people[0], report);
    let people: Vec<Person> = (0..IMPORTS)
        .map(|n| server.patient(&format!("Assisted {n}")))
        .collect();
    assisted_import(&server, &people, &whole, report);
}

pub fn post(server: &Server, token: &str, write: &SealedWrite) -> Bytes {
    let body = serde_json::to_vec(write).unwrap();
    let call = Call::post("/api/records")
        .token(token)
        .header("Accept", SEALED)
        .body(SEALED, body);
    call.to_bytes(server.address()).into()
}

fn import(server: &Server, people: &[Person], whole: &str, report: &mut Report) {
    let mut requests = Vec::new();
    let mut resources = 0;
    let mut sealing = Duration::ZERO;
    for (n, person) in people.iter().enumerate() {
        let mut sealed = Sealed::sign_in(server, person, n as u64);
        let begun = Instant::now();
        let writes = sealed.keep_writes(|sealed| {
            let plan = plan_import(whole.as_bytes(), None, &Limits::default()).unwrap();
            let patient = sealed.patient;
            let (client, mut act) = sealed.acting();
            block_on(client.import(patient, plan, None, "upload", None, &mut act)).unwrap();
        });
        sealing += begun.elapsed();
        resources += writes
            .iter()
            .map(|write| write.records.len())
            .sum::<usize>();
        requests.extend(
            writes
                .iter()
                .map(|write| post(server, &sealed.token, write)),
        );
    }
    let bytes: usize = requests.iter().map(|request| request.len()).sum();
    let per_second = resources as f64 / sealing.as_secs_f64();
    report.add(
        Figure::new(
            "client: read, classify and seal an import",
            per_second,
            "resources/s",
            Aim::Told,
        )
        .remark("one thread"),
    );
    let done = with_leaves(server, false, || each_once(server, AT_ONCE, requests));
    let rate = resources as f64 / done.elapsed.as_secs_f64();
    let remark = format!(
        "{resources} resources, {} MB, {AT_ONCE} at once",
        bytes / 1_000_000
    );
    report.add(
        Figure::new(
            "import, sealed",
            rate,
            "resources/s",
            Aim::AtLeast(10_000.0),
        )
        .remark(remark),
    );
}

fn assisted_import(server: &Server, people: &[Person], whole: &str, report: &mut Report) {
    let requests: Vec<Bytes> = people
        .iter()
        .map(|person| {
            Call::post("/api/records")
                .by(person)
                .fhir(whole)
                .to_bytes(server.address())
                .into()
        })
        .collect();
    let each = plan_import(whole.as_bytes(), None, &Limits::default())
        .unwrap()
        .items
        .len();
    let done = with_leaves(server, true, || each_once(server, AT_ONCE, requests));
    let rate = (each * people.len()) as f64 / done.elapsed.as_secs_f64();
    report.add(
        Figure::new("import, assisted", rate, "resources/s", Aim::Told)
            .remark("read, classified and sealed by the server"),
    );
}

/// Each of these requests, once.
pub fn each_once(server: &Server, clients: usize, requests: Vec<Bytes>) -> load::Load {
    let waiting = Mutex::new(requests);
    load::run(
        server.address(),
        clients,
        Duration::from_secs(600),
        move |_, _| waiting.lock().unwrap().pop(),
    )
}

/// So many notes, sealed: `each` of them in a write.
pub fn seal_notes(server: &Server, sealed: &mut Sealed, count: usize, each: usize) -> Vec<Bytes> {
    let (patient, token) = (sealed.patient, sealed.token.clone());
    let (client, mut act) = sealed.acting();
    let open = block_on(client.settle(patient, &mut act)).unwrap();
    let mut requests = Vec::with_capacity(count.div_ceil(each));
    for first in (0..count).step_by(each) {
        let drafts: Vec<Draft> = (first..count.min(first + each))
            .map(|_| draft(&mut act))
            .collect();
        let write = client.seal_write(&open, &drafts, &mut act).unwrap();
        requests.push(post(server, &token, &write));
    }
    requests
}

fn singles(server: &Server, person: &Person, report: &mut Report) {
    let mut sealed = Sealed::sign_in(server, person, 99);
    let requests = seal_notes(server, &mut sealed, SINGLES, 1);
    let size = requests[0].len();
    let done = with_leaves(server, false, || each_once(server, CLIENTS, requests));
    let remark = format!(
        "{size} bytes each; median {:.1} ms, 99 % {:.1} ms",
        done.quantile(0.5),
        done.quantile(0.99)
    );
    report.add(
        Figure::new(
            "single creates, sealed, 32 clients",
            done.rate(),
            "/s",
            Aim::AtLeast(2_500.0),
        )
        .remark(remark),
    );
}

/// A text of 2 KiB.
fn draft(act: &mut chartkey_vault::Act<'_>) -> Draft {
    let text = " a line of a note".repeat(120);
    let mut tag = [0; 32];
    act.rng.fill_bytes(&mut tag);
    Draft {
        record: new_id(now(), act.rng),
        version: 1,
        previous: None,
        compartment: Compartment::new(RecordType::Documents, Kinds::EMPTY),
        supporting: false,
        fields: Fields {
            body: BodyKind::Text,
            content_type: "text/plain; charset=utf-8".into(),
            size: text.len() as u64,
            file_name: None,
            header: Header {
                title: "A note".to_owned(),
                ..Header::default()
            },
            author_name: None,
        },
        body: DraftBody::Open(text.into_bytes().into()),
        identity_tag: Some(tag.into()),
        content_tag: tag.into(),
    }
}
