use std::sync::Arc;

use chartkey_domain::connections::{Credentials, ErrorClass, PutState, RemoteClient, Removed};
use chartkey_fakes::platforms::sha256;

use super::bench::{
    BIRTH_DATE, Bench, DEDUPE, EMAIL, Fake, NoTokens, Shape, TAKES_DOCUMENTS, adapters, ann, http,
    letter,
};

const ALL: [Shape; 6] = [
    Shape::Fhir,
    Shape::Cliniko,
    Shape::Healthie,
    Shape::RestForm,
    Shape::RestJson,
    Shape::Carepatron,
];

#[tokio::test]
async fn a_good_key_is_verified_and_a_bad_one_is_refused() {
    for shape in ALL {
        let bench = Bench::new(shape).await;
        let platform = bench.platform();
        let verified = platform.verify(&bench.endpoint, &NoTokens).await;
        let verified = verified.unwrap_or_else(|error| panic!("{shape:?}: {error:?}"));
        assert!(verified.account.is_some(), "{shape:?}");
        let bad = bench.with_bad_key();
        let refusal = platform.verify(&bad, &NoTokens).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Auth, "{shape:?}");
        let mut none = bench.endpoint.clone();
        none.credentials = Credentials::None;
        let refusal = platform.verify(&none, &NoTokens).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Auth, "{shape:?}");
    }
}

#[tokio::test]
async fn clients_are_found_none_one_or_several_and_never_guessed() {
    for shape in ALL {
        let bench = Bench::new(shape).await;
        if let Fake::Carepatron(running) = &bench.fake {
            running.platform.set_reads(0);
        }
        let found = async || {
            // A kept export would be yesterday's.
            bench.clock.advance(jiff::SignedDuration::from_hours(1));
            let found = bench.find_clients().await;
            found.map_err(|error| error.class)
        };
        bench.add_client("ann@example.com", BIRTH_DATE);
        bench.add_client(EMAIL, "2011-05-05");
        assert_eq!(found().await, Ok(vec![]), "{shape:?}");
        let undated = bench.add_client(EMAIL, "");
        assert_eq!(found().await, Err(ErrorClass::Ambiguous), "{shape:?}");
        let first = bench.add_client("ANN@example.org", BIRTH_DATE);
        assert_eq!(found().await, Ok(vec![first.clone()]), "{shape:?}");
        let second = bench.add_client(EMAIL, BIRTH_DATE);
        assert_eq!(found().await, Ok(vec![first, second]), "{shape:?}");
        assert_ne!(undated.id, "", "{shape:?}");
        let mut half = ann();
        half.birth_date = None;
        let platform = bench.platform();
        let refusal = platform
            .find_clients(&bench.endpoint, &NoTokens, &half)
            .await;
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Ambiguous, "{shape:?}");
    }
}

#[tokio::test]
async fn a_client_is_created_silently_and_found_again() {
    for shape in [
        Shape::Fhir,
        Shape::Cliniko,
        Shape::Healthie,
        Shape::RestForm,
    ] {
        let bench = Bench::new(shape).await;
        let platform = bench.platform();
        assert!(platform.capabilities(&bench.endpoint).create_client);
        let made = platform
            .create_client(&bench.endpoint, &NoTokens, &ann())
            .await
            .unwrap();
        assert_eq!(
            bench.find_clients().await,
            Ok(vec![made.clone()]),
            "{shape:?}"
        );
        let holdings = bench.received.holdings();
        assert_eq!(holdings.clients.len(), 1, "{shape:?}");
        assert!(holdings.clients.iter().all(|client| client.by_api));
        assert_eq!(holdings.mails, Vec::<String>::new(), "{shape:?}");
    }
}

#[tokio::test]
async fn a_document_arrives_whole_is_found_by_its_marker_and_removed() {
    for shape in TAKES_DOCUMENTS {
        let bench = Bench::new(shape).await;
        let (ann, bob) = (
            bench.add_client(EMAIL, BIRTH_DATE),
            bench.add_client("bob@example.org", "1970-01-01"),
        );
        assert_eq!(bench.find(&ann, DEDUPE).await, Ok(None), "{shape:?}");
        let letter = letter();
        let id = bench.put(&ann, &letter).await;
        let there = bench.documents();
        let [document] = there.as_slice() else {
            panic!("{shape:?}: {there:?}");
        };
        assert_eq!(
            (&document.id, &document.client),
            (&id, &ann.id),
            "{shape:?}"
        );
        assert_eq!(document.sha256, sha256(&letter.bytes), "{shape:?}");
        assert_eq!(document.name, *letter.file_name, "{shape:?}");
        let marked = document.description.contains("src:ABCDEFGHJKLMNPQR");
        assert!(marked, "{shape:?}: {}", document.description);

        assert_eq!(
            bench.find(&ann, DEDUPE).await,
            Ok(Some(id.clone())),
            "{shape:?}"
        );
        assert_eq!(
            bench.find(&ann, "ABCDEFGHJKLMNPQ").await,
            Ok(None),
            "{shape:?}"
        );
        assert_eq!(bench.find(&bob, DEDUPE).await, Ok(None), "{shape:?}");

        let platform = bench.platform();
        for _ in 0..2 {
            let removed = platform
                .remove_document(&bench.endpoint, &NoTokens, &ann, &id)
                .await;
            let removed = removed.unwrap();
            assert_ne!(removed, Removed::NotSupported, "{shape:?}");
            assert_eq!(bench.documents(), [], "{shape:?}");
            assert_eq!(bench.find(&ann, DEDUPE).await, Ok(None), "{shape:?}");
        }
        // Shared again: the same version under the same marker.
        let again = bench.put(&ann, &letter).await;
        assert_ne!(again, id, "{shape:?}");
        assert_eq!(bench.find(&ann, DEDUPE).await, Ok(Some(again)), "{shape:?}");
        assert_eq!(bench.received.holdings().mails, Vec::<String>::new());
    }
}

#[tokio::test]
async fn another_process_goes_on_after_each_step_with_nothing_but_the_token() {
    for shape in TAKES_DOCUMENTS {
        let mut bench = Bench::new(shape).await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        let letter = letter();
        let mut resume = None;
        let mut steps = 0;
        let id = loop {
            steps += 1;
            bench.adapters = Arc::new(adapters(http(), &bench.clock));
            match bench.step(&ann, &letter, resume.as_deref()).await.unwrap() {
                PutState::Done(id) => break id,
                PutState::Pending(token) => {
                    assert!(token.len() < 1_000, "{shape:?}: {token}");
                    for content in ["O\u{2019}Neil", "%PDF", "JVBER", "signed-policy"] {
                        assert!(!token.contains(content), "{shape:?}: {token}");
                    }
                    resume = Some(token);
                }
            }
        };
        let expected = match shape {
            Shape::Fhir | Shape::FhirPosted => 2,
            Shape::Cliniko => 4, // up, attached, not taken in yet, taken in
            _ => 1,
        };
        assert_eq!(steps, expected, "{shape:?}");
        let there = bench.documents();
        assert_eq!(there.len(), 1, "{shape:?}");
        assert_eq!(there[0].id, id, "{shape:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_begins_again() {
    for shape in [Shape::Fhir, Shape::Cliniko] {
        let bench = Bench::new(shape).await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        let refusal = bench.step(&ann, &letter(), Some("elsewhere:1")).await;
        assert_eq!(refusal.unwrap_err().class, ErrorClass::Expired, "{shape:?}");
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_is_not_sent() {
    for shape in TAKES_DOCUMENTS {
        let mut bench = Bench::new(shape).await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        let limit = serde_json::json!(100);
        match shape {
            Shape::Fhir | Shape::FhirInline | Shape::FhirPosted => {
                bench.endpoint.settings["destination"]["max_bytes"] = limit;
            }
            _ => bench.endpoint.settings["max_bytes"] = limit,
        }
        let capabilities = bench.platform().capabilities(&bench.endpoint);
        assert_eq!(capabilities.max_bytes, 100, "{shape:?}");
        let refusal = bench.step(&ann, &letter(), None).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::TooLarge, "{shape:?}");
        assert_eq!(bench.stage.journal(), [], "{shape:?}");
    }
}

#[tokio::test]
async fn private_addresses_and_odd_settings_are_refused_before_a_call() {
    for shape in ALL {
        let mut bench = Bench::new(shape).await;
        let good = bench.endpoint.clone();
        for base_url in [
            "http://10.0.0.1/v1",
            "https://10.0.0.1/v1",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "file:///etc/passwd",
            "https://key@example.org/",
            "http://example.org/",
        ] {
            bench.endpoint.base_url = base_url.to_owned();
            let platform = bench.platform();
            let refusal = platform.verify(&bench.endpoint, &NoTokens).await;
            let class = refusal.unwrap_err().class;
            assert_eq!(class, ErrorClass::Address, "{shape:?} {base_url}");
        }
        bench.endpoint = good;
        bench.endpoint.settings["nobody_knows_this"] = serde_json::json!(1);
        let platform = bench.platform();
        let refusal = platform.verify(&bench.endpoint, &NoTokens).await;
        assert_eq!(refusal.unwrap_err().class, ErrorClass::Invalid, "{shape:?}");
        assert_eq!(bench.stage.journal(), [], "{shape:?}");
    }
}

#[tokio::test]
async fn an_id_that_would_lead_elsewhere_is_not_called() {
    for shape in [Shape::Fhir, Shape::Cliniko, Shape::RestForm] {
        let bench = Bench::new(shape).await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        for id in ["..", "a/b", "", "."] {
            let platform = bench.platform();
            let refusal = platform.remove_document(&bench.endpoint, &NoTokens, &ann, id);
            let class = refusal.await.unwrap_err().class;
            assert_eq!(class, ErrorClass::Invalid, "{shape:?} {id:?}");
        }
        assert_eq!(bench.stage.journal(), [], "{shape:?}");
    }
}

#[tokio::test]
async fn nobody_there_certainly_did_nothing() {
    for shape in TAKES_DOCUMENTS {
        let mut bench = Bench::new(shape).await;
        let ann = RemoteClient { id: "1".into() };
        let (base, path) = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let path = bench.endpoint.base_url.replace(&bench.origin, "");
            (base, path)
        };
        bench.endpoint.base_url = format!("{base}{path}");
        let refusal = bench.step(&ann, &letter(), None).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Transient, "{shape:?}");
    }
}
