//! The sealed protocol's messages, as a lying server or client might send them.

#![no_main]

use chartkey_crypto::Secret;
use chartkey_vault::Id;
use chartkey_vault::keys::{AccountSecrets, LinkKey};
use chartkey_vault::patient::{OpenPatient, ReadKeys};
use chartkey_vault::protocol::{
    AccountKeys, GrantChange, KnownTags, KnownTagsRequest, LinkOpened, NewAccount, PatientKeys,
    SealedAdoption, SealedEpochs, SealedGeneration, SealedGrant, SealedLink, SealedMove,
    SealedPage, SealedRekey, SealedWrite, Unadopted,
};
use chartkey_vault::read::{BatchKeys, OpenRecord};
use libfuzzer_sys::fuzz_target;
use serde_json::from_slice;

fuzz_target!(|bytes: &[u8]| {
    let me = AccountSecrets::new(Id::from_bytes([1; 16]), Secret::from_bytes([7; 32]));
    if let Ok(keys) = from_slice::<PatientKeys>(bytes) {
        assert!(
            OpenPatient::open(&keys, &me, None).is_err(),
            "keys that nobody made were taken"
        );
    }
    if let Ok(page) = from_slice::<SealedPage>(bytes) {
        let keys = ReadKeys::new(Id::from_bytes([2; 16]), Vec::new(), Vec::new(), Vec::new());
        let batches = BatchKeys::of_page(&page, &keys, Some(&me));
        for sealed in &page.items {
            assert!(
                OpenRecord::open(sealed, &keys, &batches).is_err(),
                "a record that nobody sealed was opened"
            );
        }
    }
    if let Ok(opened) = from_slice::<LinkOpened>(bytes) {
        let key = LinkKey::new(Secret::from_bytes([9; 32]));
        assert!(chartkey_vault::link::open(&opened, &key).is_err());
    }
    if let Ok(keys) = from_slice::<AccountKeys>(bytes) {
        let _ = chartkey_vault::account::VerifiedAccount::verify(&keys, None);
    }
    let _ = from_slice::<SealedWrite>(bytes);
    let _ = from_slice::<SealedMove>(bytes);
    let _ = from_slice::<SealedGrant>(bytes);
    let _ = from_slice::<GrantChange>(bytes);
    let _ = from_slice::<SealedLink>(bytes);
    let _ = from_slice::<SealedEpochs>(bytes);
    let _ = from_slice::<SealedGeneration>(bytes);
    let _ = from_slice::<SealedAdoption>(bytes);
    let _ = from_slice::<SealedRekey>(bytes);
    let _ = from_slice::<Unadopted>(bytes);
    let _ = from_slice::<KnownTags>(bytes);
    let _ = from_slice::<KnownTagsRequest>(bytes);
    let _ = from_slice::<NewAccount>(bytes);
});
