use chartkey_domain::trail::TrailAction;
use chartkey_fhir::RecordType;
use chartkey_service::analytics::{self, Counts, Interval, Period};
use chartkey_service::assisted::{RecordQuery, open_shared};
use chartkey_service::audit::{self, DisclosureQuery};
use chartkey_service::shares::visit::{Proof, Visitor};
use chartkey_service::world::World;
use chartkey_vault::link;

use crate::support::*;

#[test]
fn sharing_is_counted_and_accounted_for() {
    on_every_engine(|world| async move {
        let (ada, ng) = cast(&world).await;
        let shared = share(&world, &ada).await;
        let (token, key) = link::parse_url(shared.url.as_ref().unwrap()).unwrap();
        let visitor = Visitor {
            origin: World::origin(),
            token,
            proof: Proof::Key(key.auth().0),
            view: None,
            passcode: None,
            said: None,
        };
        open_shared(&world.service, &visitor, &key).await.unwrap();
        let id = grant(&world, &ada, &ng, &terms(&world, &ada)).await;
        let patient = ada.patient.unwrap();
        open(&world, &ng)
            .await
            .list(patient, &RecordQuery::default())
            .await
            .unwrap();
        open(&world, &ng)
            .await
            .export_document(patient)
            .await
            .unwrap();
        open(&world, &ada)
            .await
            .list(patient, &RecordQuery::default())
            .await
            .unwrap();
        open(&world, &ada).await.revoke_grant(id).await.unwrap();
        world.pass(25 * 60 * 60);
        let ada = chartkey_service::world::Person {
            caller: world.sign_in("ada@example.org").await,
            ..ada
        };
        let weekly = Period {
            interval: Interval::Week,
            ..Period::default()
        };
        let mine = analytics::find_analytics(&world.service, &ada.caller, weekly)
            .await
            .unwrap();
        let expected = Counts {
            shares_created: 1,
            grants_created: 1,
            accesses: 2,
            downloads: 1,
            expirations: 1,
            revocations: 1,
        };
        assert_eq!(mine.series.totals, expected);
        assert_eq!(mine.by_type, [(RecordType::LabResults, 2)]);
        let starts: Vec<_> = mine
            .series
            .buckets
            .iter()
            .map(|b| b.start.to_string())
            .collect();
        assert_eq!(starts.last().map(String::as_str), Some("2026-11-23"));

        let query = DisclosureQuery {
            limit: 2,
            ..DisclosureQuery::default()
        };
        let first = audit::list_disclosures(&world.service, &ada.caller, query)
            .await
            .unwrap();
        let told: Vec<_> = first
            .items
            .iter()
            .map(|d| {
                (
                    d.action,
                    d.recipient.name.as_deref(),
                    d.purpose.as_deref(),
                    d.count,
                )
            })
            .collect();
        let treat = Some("TREAT");
        assert_eq!(
            told,
            [
                (TrailAction::RecordExport, Some("ng"), treat, 1),
                (TrailAction::RecordList, Some("ng"), treat, 1),
            ]
        );
        let query = DisclosureQuery {
            before: first.next,
            ..query
        };
        let rest = audit::list_disclosures(&world.service, &ada.caller, query)
            .await
            .unwrap();
        assert_eq!(rest.items.len(), 1);
        assert_eq!(rest.items[0].action, TrailAction::ShareRead);
        assert_eq!(rest.items[0].recipient.name.as_deref(), Some("Dr. Ng"));
        assert_eq!(rest.items[0].types, [RecordType::LabResults]);
        assert!(rest.next.is_none());
        let ng = world.sign_in("ng@clinic.example").await;
        let query = DisclosureQuery {
            patient: ada.patient,
            limit: 2,
            ..DisclosureQuery::default()
        };
        let refused = audit::list_disclosures(&world.service, &ng, query).await;
        assert_eq!(code(&refused.err().unwrap()), "grant.ended");
        let theirs = analytics::find_analytics(&world.service, &ng, weekly)
            .await
            .unwrap();
        assert_eq!(theirs.series.totals.grants_created, 1);
        assert_eq!(theirs.series.totals.downloads, 1);
        world.run_jobs().await;
    });
}

#[test]
fn totals_are_for_admins() {
    on_every_engine(|world| async move {
        let (ada, ng) = cast(&world).await;
        grant(&world, &ada, &ng, &terms(&world, &ada)).await;
        let refused = analytics::find_totals(&world.service, &ada.caller, Period::default()).await;
        assert_eq!(code(&refused.err().unwrap()), "account.forbidden");
        let admin = world.sign_in("admin@example.org").await;
        world.pass(1);
        let totals = analytics::find_totals(&world.service, &admin, Period::default())
            .await
            .unwrap();
        assert_eq!(
            (totals.now.patients, totals.now.records, totals.now.grants),
            (1, 2, 1)
        );
        assert_eq!(totals.series.totals.grants_created, 1);
        world.run_jobs().await;
    });
}
