//! Large bodies: what a crash or a deletion leaves behind is swept.

use chartkey_domain::blobs::BlobStore as _;
use chartkey_domain::ids::BlobId;
use chartkey_domain::quotas::Quota;
use chartkey_service::assisted::NewFile;
use chartkey_service::{Failure, blobs, records};

use crate::support::*;

#[test]
fn bodies_that_nothing_names_are_swept_after_a_day_and_others_stay() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let patient = ada.patient.unwrap();
        let mut adas = open(&world, &ada).await;
        let mut file = adas.begin_file(patient, NewFile::default(), 1 << 20);
        adas.push_file(&mut file, &[7; 300 << 10]).await.unwrap();
        let kept = adas.finish_file(file).await.unwrap();
        let mut broken = adas.begin_file(patient, NewFile::default(), 1 << 20);
        adas.push_file(&mut broken, &[8; 300 << 10]).await.unwrap();
        drop(broken);
        let waiting = BlobId(id(0x61));
        blobs::create_blob(&world.service, &ada.caller, patient, waiting)
            .await
            .unwrap();
        assert_eq!(world.blobs.list(None, 9).await.unwrap().len(), 3);
        assert_eq!(blobs::sweep(&world.service).await.unwrap(), 0, "not yet");
        world.pass(24 * 3_600 + 1);
        assert_eq!(blobs::sweep(&world.service).await.unwrap(), 2);
        assert_eq!(blobs::sweep(&world.service).await.unwrap(), 0);
        assert_eq!(world.blobs.list(None, 9).await.unwrap().len(), 1);
        let caller = world.sign_in("ada@example.org").await;
        records::delete_record(&world.service, &caller, kept.id, None)
            .await
            .unwrap();
        assert!(
            world.blobs.list(None, 9).await.unwrap().is_empty(),
            "with its record, at once"
        );
        assert_eq!(blobs::sweep(&world.service).await.unwrap(), 1, "its row");
    });
}

#[test]
fn no_more_uploads_are_under_way_than_may_be() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let patient = ada.patient.unwrap();
        let create =
            |n: u8| blobs::create_blob(&world.service, &ada.caller, patient, BlobId(id(n)));
        let most = u8::try_from(Quota::Uploads.max()).unwrap();
        for n in 0..most {
            create(n).await.unwrap();
        }
        let full = create(most).await;
        assert!(
            matches!(&full, Err(Failure::Full(Quota::Uploads))),
            "{full:?}"
        );
        create(0).await.unwrap();
        let first = BlobId(id(0));
        blobs::finish_blob(&world.service, &ada.caller, patient, first, 0)
            .await
            .unwrap();
        create(most).await.unwrap();
    });
}
