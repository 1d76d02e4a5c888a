use chartkey_domain::trail::TrailAction;
use chartkey_service::assisted::{Assisted, NewFile};
use chartkey_service::audit::{self, AuditQuery};
use chartkey_service::world::{Person, World};
use serde_json::Value;

use crate::support::*;

async fn bundle(assisted: &mut Assisted, of: &Person) -> Result<Value, String> {
    let failed = |failure| code(&failure);
    let begun = assisted.begin_bundle(of.patient.unwrap()).await;
    let mut export = begun.map_err(failed)?;
    let mut text = Vec::new();
    while let Some(piece) = assisted.next_piece(&mut export).await.map_err(failed)? {
        text.extend_from_slice(&piece);
    }
    Ok(serde_json::from_slice(&text).unwrap())
}

async fn exports_in_trail(world: &World, person: &Person) -> Vec<Value> {
    let query = AuditQuery {
        actions: vec![TrailAction::RecordExport.as_str().to_owned()],
        limit: 10,
        ..AuditQuery::default()
    };
    let page = audit::list(&world.service, &person.caller, query)
        .await
        .unwrap();
    page.items
        .iter()
        .map(|item| serde_json::from_str(&item.entry).unwrap())
        .collect()
}

#[test]
fn a_patient_takes_everything_along_as_it_came() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let empty = bundle(&mut open(&world, &ada).await, &ada).await.unwrap();
        assert!(empty.get("entry").is_none(), "{empty}");
        upload(&world, &ada, &glucose()).await;
        let file = |size: usize| (vec![7_u8; size], format!("scan-{size}.bin"));
        for (bytes, name) in [file(3), file(300 << 10), file((4 << 20) + 1)] {
            let mut assisted = open(&world, &ada).await;
            let about = NewFile {
                file_name: Some(name),
                ..NewFile::default()
            };
            let mut upload = assisted.begin_file(ada.patient.unwrap(), about, 1 << 30);
            assisted.push_file(&mut upload, &bytes).await.unwrap();
            assisted.finish_file(upload).await.unwrap();
        }
        let whole = bundle(&mut open(&world, &ada).await, &ada).await.unwrap();
        let resources: Vec<&Value> = whole["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["resource"])
            .collect();
        assert_eq!(resources.len(), 4, "{resources:?}");
        assert!(whole.to_string().contains("2345-7"));
        let attachments: Vec<(u64, bool, bool)> = resources
            .iter()
            .filter_map(|r| r.pointer("/content/0/attachment"))
            .map(|a| {
                (
                    a["size"].as_u64().unwrap(),
                    a["data"].is_string(),
                    a["url"].is_string(),
                )
            })
            .collect();
        let mut sorted = attachments.clone();
        sorted.sort_unstable();
        let large = (4 << 20) + 1;
        assert_eq!(
            sorted,
            [
                (3, true, false),
                (300 << 10, true, false),
                (large, false, true)
            ]
        );
        let logged = exports_in_trail(&world, &ada).await;
        assert_eq!(logged.len(), 2);
        assert_eq!(logged[0]["count"], 4);
        assert_eq!(logged[0]["detail"]["format"], "fhir");
        world.run_jobs().await;
    });
}

#[test]
fn what_changes_under_way_is_in_the_bundle_once() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        upload(&world, &ada, &glucose()).await;
        let mut assisted = open(&world, &ada).await;
        let mut export = assisted.begin_bundle(ada.patient.unwrap()).await.unwrap();
        let mut text = assisted
            .next_piece(&mut export)
            .await
            .unwrap()
            .unwrap()
            .to_vec();
        world.pass(1);
        upload(&world, &ada, &allergy("Latex")).await;
        while let Some(piece) = assisted.next_piece(&mut export).await.unwrap() {
            text.extend_from_slice(&piece);
        }
        let whole: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(whole["entry"].as_array().unwrap().len(), 2, "{whole}");
    });
}

#[test]
fn a_grantee_takes_along_what_the_grant_lets_download_until_it_ends() {
    on_every_engine(|world| async move {
        let (ada, ng) = cast(&world).await;
        let mut looking = terms(&world, &ada);
        looking.may_download = false;
        grant(&world, &ada, &ng, &looking).await;
        let refused = bundle(&mut open(&world, &ng).await, &ada).await;
        assert_eq!(refused.unwrap_err(), "grant.no_download");
        let taking = grant(&world, &ada, &ng, &terms(&world, &ada)).await;
        let whole = bundle(&mut open(&world, &ng).await, &ada).await.unwrap();
        assert_eq!(whole["entry"].as_array().unwrap().len(), 1);
        assert!(!whole.to_string().contains("Penicillin"));
        let document = open(&world, &ng)
            .await
            .export_document(ada.patient.unwrap())
            .await
            .unwrap();
        assert_eq!(
            (
                document.patient_name.as_str(),
                document.reader_name.as_str()
            ),
            ("ada", "ng")
        );
        assert_eq!(document.purpose.as_deref(), Some("TREAT"));
        // Revoked between the first piece and the next page.
        let mut assisted = open(&world, &ng).await;
        let mut export = assisted.begin_bundle(ada.patient.unwrap()).await.unwrap();
        open(&world, &ada).await.revoke_grant(taking).await.unwrap();
        let stopped = assisted.next_piece(&mut export).await;
        assert_eq!(code(&stopped.unwrap_err()), "grant.no_download");
        world.run_jobs().await;
    });
}
