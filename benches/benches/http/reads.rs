//! Reading: single records sealed and assisted, lists, everything opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chartkey_benches::{Call, Person, Server, bundle};
use chartkey_vault::http::SEALED;

use crate::load::{self, Bytes};
use crate::report::{Aim, Figure, Report};
use crate::{CLIENTS, serve, start, with_leaves};

/// How long each load lasts.
const TIME: Duration = Duration::from_secs(5);
/// Lists that are measured.
const LISTS: usize = 201;
/// Patients who read at the same time.
const PATIENTS: usize = 4;

pub fn measure(report: &mut Report) {
    let server = serve();
    let people: Vec<Person> = (0..PATIENTS)
        .map(|n| server.patient(&format!("Reader {n}")))
        .collect();
    let whole = bundle("s07-many-labs-elder");
    let mut ids = Vec::new();
    for person in &people {
        let import = Call::post("/api/records").by(person).fhir(whole.clone());
        let _ = server.send(&import).expect(200);
        ids.push(ids_of(&server, person));
    }
    let plain = requests(&server, &people, &ids, None);
    let sealed = requests(&server, &people, &ids, Some(SEALED));
    // Statements are prepared and keys are cached before anything is measured.
    warm(&server, &plain);
    let read = |requests: &Arc<Vec<Vec<Bytes>>>| {
        let requests = Arc::clone(requests);
        let address = server.address();
        with_leaves(&server, false, move || {
            load::run(address, CLIENTS, TIME, move |client, n| {
                let own = &requests[client % PATIENTS];
                Some(Arc::clone(&own[(n * 7 + client * 131) % own.len()]))
            })
        })
    };
    let done = read(&sealed);
    let times = |done: &load::Load| {
        format!(
            "median {:.1} ms, 99 % {:.1} ms",
            done.quantile(0.5),
            done.quantile(0.99)
        )
    };
    report.add(
        Figure::new(
            "sealed reads, 32 clients",
            done.rate(),
            "/s",
            Aim::AtLeast(10_000.0),
        )
        .remark(times(&done)),
    );
    let done = read(&plain);
    report.add(
        Figure::new(
            "assisted reads, 32 clients",
            done.rate(),
            "/s",
            Aim::AtLeast(7_000.0),
        )
        .remark(times(&done)),
    );
    let memory = start::resident(server.pid());
    report.add(Figure::new(
        "memory after all that",
        memory,
        "MB",
        Aim::Told,
    ));
}

/// The first thousand records of somebody, listed and opened.
pub fn lists(report: &mut Report) {
    let server = serve();
    let person = &server.patient("Lister");
    let import = Call::post("/api/records")
        .by(person)
        .fhir(bundle("s07-many-labs-elder"));
    let _ = server.send(&import).expect(200);
    let mut connection = server.connect();
    let mut page = |fields: &str, cursor: &str| {
        let path = format!("/api/records?limit=500{fields}{cursor}");
        let call = Call::get(path).by(person);
        let begun = Instant::now();
        let answer = connection.send(&call).unwrap();
        (begun.elapsed(), answer.expect(200))
    };
    for (what, fields, aim) in [
        ("1,000 headers listed, assisted", "&fields=header", 5.0),
        ("1,000 records listed and opened, assisted", "", 25.0),
    ] {
        let cursor = page(fields, "").1.json();
        let cursor = format!("&cursor={}", cursor["next"].as_str().unwrap());
        let mut bytes = 0;
        let mut times: Vec<f64> = (0..LISTS)
            .map(|_| {
                let (first, second) = (page(fields, ""), page(fields, &cursor));
                bytes = first.1.body.len() + second.1.body.len();
                (first.0 + second.0).as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let remark = format!(
            "median of {LISTS}; two pages, {} KB, to the last byte",
            bytes / 1_000
        );
        report.add(Figure::new(what, times[LISTS / 2], "ms", Aim::AtMost(aim)).remark(remark));
    }
}

/// The ids of all records of somebody.
fn ids_of(server: &Server, person: &Person) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/records?fields=header&limit=500{cursor}");
        let page = server.send(&Call::get(path).by(person)).expect(200).json();
        let items = page["items"].as_array().unwrap();
        ids.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

fn requests(
    server: &Server,
    people: &[Person],
    ids: &[Vec<String>],
    accept: Option<&str>,
) -> Arc<Vec<Vec<Bytes>>> {
    let one = |person: &Person, id: &String| -> Bytes {
        let mut call = Call::get(format!("/api/records/{id}")).by(person);
        if let Some(accept) = accept {
            call = call.header("Accept", accept);
        }
        call.to_bytes(server.address()).into()
    };
    let each = people.iter().zip(ids);
    Arc::new(
        each.map(|(person, ids)| ids.iter().map(|id| one(person, id)).collect())
            .collect(),
    )
}

fn warm(server: &Server, requests: &Arc<Vec<Vec<Bytes>>>) {
    let requests = Arc::clone(requests);
    load::run(
        server.address(),
        CLIENTS,
        Duration::from_secs(1),
        move |client, n| {
            let own = &requests[client % PATIENTS];
            Some(Arc::clone(&own[n % own.len()]))
        },
    );
}
