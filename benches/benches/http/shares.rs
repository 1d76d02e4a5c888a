//! Sharing: what a grant costs, opening a link, and unlocking after a year of
//! nightly writes.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_benches::{Call, Person, Server};
use chartkey_vault::http::SEALED;
use chartkey_vault::transport::{SealedQuery, Transport as _};
use serde_json::{Value, json};

use crate::load::Bytes;
use crate::report::{Aim, Figure, Report};
use crate::sealed::{Sealed, block_on};
use crate::writes::{each_once, seal_notes};
use crate::{CLIENTS, serve, with_leaves};

/// Types of the grant whose cost is told.
const TYPES: [&str; 10] = [
    "lab-results",
    "imaging",
    "vaccines",
    "allergies",
    "prescriptions",
    "conditions",
    "procedures",
    "vitals",
    "documents",
    "encounters",
];
/// Grants that are measured.
const GRANTS: usize = 15;
/// Times that a link is opened.
const OPENINGS: usize = 30_000;

pub fn measure(report: &mut Report) {
    let server = serve();
    let admin = server.admin();
    let provider = server.provider("Bench Provider", &admin);
    let (few, many) = (
        server.patient("Few Records"),
        server.patient("Many Records"),
    );
    write(&server, &few, 10);
    write(&server, &many, 10_000);
    let few_ms = grant_ms(&server, &few, &provider);
    let many_ms = grant_ms(&server, &many, &provider);
    report.add(
        Figure::new(
            "a grant over 10 types: 10,000 records against 10",
            many_ms / few_ms,
            "×",
            Aim::AtMost(1.3),
        )
        .remark(format!(
            "{few_ms:.1} ms and {many_ms:.1} ms, assisted, median of {GRANTS}"
        )),
    );
    open_link(&server, &few, report);
    unlock(&server, report);
}

/// Puts notes into a record, a few hundred in a write.
fn write(server: &Server, person: &Person, count: usize) {
    let mut sealed = Sealed::sign_in(server, person, 7);
    let requests = seal_notes(server, &mut sealed, count, 500);
    each_once(server, 1, requests);
}

fn grant_ms(server: &Server, patient: &Person, provider: &Person) -> f64 {
    let mut times: Vec<f64> = (0..GRANTS)
        .map(|_| {
            let body = json!({"provider_id": provider.account, "record_types": TYPES,
                "expiry_date": "2026-12-24", "purpose": "routine_checkup"});
            let call = Call::post("/api/sharing/grant").by(patient).json(&body);
            let begun = Instant::now();
            let _ = server.send(&call).expect(201);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[GRANTS / 2]
}

/// A link to ten notes, opened by a viewer that holds its key.
fn open_link(server: &Server, person: &Person, report: &mut Report) {
    let body = json!({"recordTypes": ["documents"], "expiresInDays": 3, "sendEmail": "none"});
    let made: Value = server
        .send(&Call::post("/api/records/share").by(person).json(&body))
        .expect(201)
        .json();
    let (token, key) = chartkey_vault::link::parse_url(made["url"].as_str().unwrap()).unwrap();
    let auth = URL_SAFE_NO_PAD.encode(key.auth().as_bytes());
    // Everybody comes from an address of their own: what one address may do is
    // limited.
    let request = |n: usize| -> Bytes {
        let address = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
        let call = Call::get(format!("/api/records/shared/{token}"))
            .header("X-Share-Auth", auth.clone())
            .header("Accept", SEALED)
            .header("X-Forwarded-For", address);
        call.to_bytes(server.address()).into()
    };
    let requests: Vec<Bytes> = (0..OPENINGS).map(request).collect();
    let done = with_leaves(server, false, || each_once(server, CLIENTS, requests));
    let remark = format!(
        "ten notes; median {:.1} ms, 99 % {:.1} ms",
        done.quantile(0.5),
        done.quantile(0.99)
    );
    report.add(
        Figure::new(
            "opening a link, 32 clients",
            done.rate(),
            "/s",
            Aim::AtLeast(5_000.0),
        )
        .remark(remark),
    );
}

/// 5,000 records in 3,000 batches, opened from cold.
fn unlock(server: &Server, report: &mut Report) {
    let person = server.patient("Nightly Writes");
    let mut sealed = Sealed::sign_in(server, &person, 8);
    let mut requests = seal_notes(server, &mut sealed, 2_000, 1);
    requests.extend(seal_notes(server, &mut sealed, 3_000, 3));
    each_once(server, CLIENTS, requests);
    let mut cold = Sealed::sign_in(server, &person, 9);
    let begun = Instant::now();
    let (client, mut act) = cold.acting();
    let patient = person.patient.parse().unwrap();
    let open = block_on(client.settle(patient, &mut act)).unwrap();
    // The patient's seed is one opening; each batch that no epoch wraps is one.
    let mut openings = 1;
    let (mut records, mut batches) = (0, 0);
    let mut query = SealedQuery {
        headers_only: true,
        limit: Some(500),
        ..SealedQuery::default()
    };
    loop {
        let page = block_on(client.transport.list(patient, &query)).unwrap();
        openings += page
            .batches
            .iter()
            .filter(|batch| batch.wrapped.is_none())
            .count();
        batches += page.batches.len();
        let keys =
            chartkey_vault::read::BatchKeys::of_page(&page, &open.keys, Some(&client.account));
        for sealed in &page.items {
            chartkey_vault::read::OpenRecord::open(sealed, &open.keys, &keys).unwrap();
            records += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(records, 5_000);
    let remark = format!(
        "{records} headers of {batches} batches fetched and opened in {took:.0} ms after Argon2"
    );
    report.add(
        Figure::new(
            "cold unlock: KEM openings",
            f64::from(u32::try_from(openings).unwrap()),
            "",
            Aim::AtMost(40.0),
        )
        .remark(remark),
    );
}
