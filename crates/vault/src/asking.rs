//! Words of somebody who asks a patient for access, sealed to the patient's
//! inbox: its managers read them, the server does not keep them open.

use chartkey_crypto::{
    SecretBytes, encode,
    seal::{self, KemPublic},
};
use rand_core::CryptoRng;

use crate::{Id, bytes::Bytes, error::VaultError, patient::ReadKeys};

const INFO: &[u8] = b"request";

fn aad(patient: Id, request: Id, asker: Id) -> Vec<u8> {
    encode::lp(&[
        b"request",
        patient.as_bytes(),
        request.as_bytes(),
        asker.as_bytes(),
    ])
}

/// Seals the words of a request to the patient's inbox.
pub fn seal_words(
    inbox: &KemPublic,
    patient: Id,
    request: Id,
    asker: Id,
    words: &str,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Bytes {
    let aad = aad(patient, request, asker);
    Bytes(seal::seal_to(inbox, INFO, &aad, words.as_bytes(), rng))
}

/// Opens the words of a request with any seed that a manager has.
///
/// # Errors
/// [`VaultError::NoKey`] where none opens them.
pub fn open_words(
    keys: &ReadKeys,
    request: Id,
    asker: Id,
    sealed: &Bytes,
) -> Result<SecretBytes, VaultError> {
    let aad = aad(keys.patient(), request, asker);
    let mut seeds: Vec<_> = keys.seeds().collect();
    seeds.sort_by_key(|seed| std::cmp::Reverse(seed.generation));
    seeds
        .into_iter()
        .find_map(|seed| seal::open_with(&seed.inbox(), INFO, &aad, &sealed.0).ok())
        .ok_or(VaultError::NoKey)
}

#[cfg(test)]
mod tests {
    use chartkey_crypto::Secret;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::keys::PatientSeed;

    #[test]
    fn only_the_patients_seed_opens_the_words_and_only_in_their_place() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let [patient, request, asker] = [1, 2, 3].map(|n| Id::from_bytes([n; 16]));
        let seed = PatientSeed::new(1, Secret::random(&mut rng));
        let inbox = KemPublic::of(&seed.inbox());
        let sealed = seal_words(&inbox, patient, request, asker, "please", &mut rng);
        let keys = |patient, seed| ReadKeys::new(patient, vec![seed], Vec::new(), Vec::new());
        let open = |keys: &ReadKeys, request, asker| {
            open_words(keys, request, asker, &sealed).map(SecretBytes::into_vec)
        };
        let own = keys(patient, seed.clone());
        assert_eq!(open(&own, request, asker).unwrap(), b"please");
        assert!(open(&own, asker, asker).is_err());
        assert!(open(&own, request, request).is_err());
        assert!(open(&keys(request, seed), request, asker).is_err());
        let other = PatientSeed::new(1, Secret::random(&mut rng));
        assert!(open(&keys(patient, other), request, asker).is_err());
    }
}
