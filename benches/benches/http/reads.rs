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
    let mut page = |path: &str| {
        let call = Call::get(path.to_owned()).by(person);
        let begun = Instant::now();
        let answer = connection.send(&call).unwrap();
        (begun.elapsed(), answer.expect(200))
    };
    let headers = "/api/records?fields=header&limit=1000".to_owned();
    let bodies = "/api/records?limit=500".to_owned();
    let next = page(&bodies).1.json();
    let next = format!("{bodies}&cursor={}", next["next"].as_str().unwrap());
    for (what, pages, aim) in [
        ("1,000 headers listed, assisted", vec![headers], 5.0),
        (
            "1,000 records listed and opened, assisted",
            vec![bodies, next],
            25.0,
        ),
    ] {
        let (mut items, mut bytes) = (0, 0);
        for path in &pages {
            let answer = page(path).1;
            items += answer.json()["items"].as_array().unwrap().len();
            bytes += answer.body.len();
        }
        assert_eq!(items, 1_000, "{what}");
        let mut times: Vec<f64> = (0..LISTS)
            .map(|_| pages.iter().map(|path| page(path).0.as_secs_f64()).sum())
            .collect();
        times.sort_by(f64::total_cmp);
        let remark = format!(
            "median of {LISTS}; {} page(s), {} KB, to the last byte",
            pages.len(),
            bytes / 1_000
        );
        let median = times[LISTS / 2] * 1e3;
        report.add(Figure::new(what, median, "ms", Aim::AtMost(aim)).remark(remark));
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
