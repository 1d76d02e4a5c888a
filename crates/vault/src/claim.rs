//! Claiming a chart: the one it is about takes the patient's seed over from
//! the practitioner who opened it.
//!
//! The seed reaches the claimant in one of two ways: wrapped under a claim key
//! that was printed on a sheet and handed over, or sealed to the claimant's
//! account by the practitioner's client. Either way the claimant's first act is
//! a new generation that they alone manage, so that whoever knew the seed before
//! keeps only what the carried grants give them.
//!
//! Pure; the calls that carry any of it are others'.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chartkey_crypto::{Secret, derive, encode, wrap};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    client::{Act, Client},
    error::VaultError,
    keys::PatientSeed,
    protocol::SealedGeneration,
    transport::{MaybeSend, Transport},
};

/// Characters of a claim key as text: 32 bytes in base64url.
const TEXT_CHARS: usize = 43;

/// The key on a claim sheet: 32 random bytes that unwrap a patient's seed.
/// Wiped when dropped; prints nothing.
#[derive(Clone, Debug)]
pub struct ClaimKey(Secret);

impl ClaimKey {
    /// A new key.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(Secret::random(rng))
    }

    /// As it stands on a sheet: base64url without padding.
    ///
    /// # Errors
    /// [`VaultError::Input`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        let wrong = VaultError::Input("not a claim key");
        let text = text.trim();
        if text.len() != TEXT_CHARS {
            return Err(wrong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new);
        match bytes
            .ok()
            .and_then(|b| <[u8; 32]>::try_from(b.as_slice()).ok())
        {
            Some(bytes) => Ok(Self(Secret::from_bytes(bytes))),
            None => Err(wrong),
        }
    }

    /// For a sheet.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }

    /// What proves to the server that somebody has the sheet; opens nothing.
    pub fn auth(&self, patient: Id) -> Bytes32 {
        Bytes32(*derive(&self.0, "claim/auth", &[patient.as_bytes()]).as_bytes())
    }

    /// Wraps the seed of a generation for whoever has the sheet.
    pub fn wrap(
        &self,
        patient: Id,
        seed: &PatientSeed,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Bytes {
        let key = derive(&self.0, "claim/wrap", &[patient.as_bytes()]);
        let aad = claim_aad(patient, seed.generation);
        Bytes(wrap::wrap(&key, &aad, seed.secret().as_bytes(), rng))
    }

    /// Unwraps the seed of a generation.
    ///
    /// # Errors
    /// [`VaultError::Open`] for another patient's, another generation's, or with
    /// another sheet.
    pub fn unwrap(
        &self,
        patient: Id,
        generation: u32,
        wrapped: &Bytes,
    ) -> Result<PatientSeed, VaultError> {
        let key = derive(&self.0, "claim/wrap", &[patient.as_bytes()]);
        let seed = wrap::unwrap_secret(&key, &claim_aad(patient, generation), &wrapped.0)?;
        Ok(PatientSeed::new(generation, seed))
    }
}

fn claim_aad(patient: Id, generation: u32) -> Vec<u8> {
    encode::lp(&[b"claim", patient.as_bytes(), &generation.to_be_bytes()])
}

impl<T: Transport + MaybeSend> Client<T> {
    /// Seals the seed of a patient that this account manages to `claimant`: the
    /// practitioner's part of a claim without a sheet.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] for whoever is no manager; what the keys of the
    /// claimant are refused with.
    pub async fn seal_to_claimant(
        &mut self,
        patient: Id,
        claimant: Id,
        act: &mut Act<'_>,
    ) -> Result<Bytes, VaultError> {
        let open = self.settle(patient, act).await?;
        let seed = open.keys.newest_seed()?;
        let keys = self.account_keys(claimant).await?;
        Ok(seed.seal_to_manager(patient, claimant, &keys.kem_key, act.rng))
    }

    /// Seals the generation with which this account takes a chart over: it is
    /// the only manager from then on, and the grants to accounts are carried.
    /// The other side lets the account open the patient because of a confirmed
    /// claim; the chain does not name it yet, and the seed (from a sheet, else the
    /// one sealed to this account) must be the chain's.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] where the seed was not handed over.
    pub async fn seal_claim(
        &mut self,
        patient: Id,
        seed: Option<PatientSeed>,
        act: &mut Act<'_>,
    ) -> Result<SealedGeneration, VaultError> {
        let before = self.claiming.replace((patient, seed));
        let sealed = self.claim_generation(patient, act).await;
        self.claiming = before;
        sealed
    }

    async fn claim_generation(
        &mut self,
        patient: Id,
        act: &mut Act<'_>,
    ) -> Result<SealedGeneration, VaultError> {
        let open = self.settle(patient, act).await?;
        let me = self.account.account();
        let keys = self.account_keys(me).await?;
        if keys.fingerprint() != self.account.fingerprint() {
            return Err(VaultError::Statement("not this account's keys"));
        }
        let (sealed, _) = self.seal_generation(&open, &[keys], act).await?;
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_sheet_opens_its_own_patient_and_generation_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (patient, other) = (Id::new(1, &mut rng), Id::new(2, &mut rng));
        let seed = PatientSeed::new(1, Secret::random(&mut rng));
        let key = ClaimKey::random(&mut rng);
        let wrapped = key.wrap(patient, &seed, &mut rng);
        let again = ClaimKey::from_text(&key.to_text()).unwrap();
        let opened = again.unwrap(patient, 1, &wrapped).unwrap();
        assert_eq!(opened.secret().as_bytes(), seed.secret().as_bytes());
        assert!(again.unwrap(other, 1, &wrapped).is_err());
        assert!(again.unwrap(patient, 2, &wrapped).is_err());
        let wrong = ClaimKey::random(&mut rng);
        assert!(wrong.unwrap(patient, 1, &wrapped).is_err());
        assert_ne!(key.auth(patient), wrong.auth(patient));
        assert_ne!(key.auth(patient), key.auth(other));
        for text in ["", "short", "****", &"=".repeat(43)] {
            assert!(ClaimKey::from_text(text).is_err(), "{text}");
        }
    }
}
