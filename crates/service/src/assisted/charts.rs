//! Charts and claims, for practitioners and patients that let the server hold
//! their keys for one request.

use chartkey_domain::charts::{GRANT_DAYS, UNCLAIMED_DAYS};
use chartkey_domain::ids::{ClaimId, PatientId};
use chartkey_domain::policy::Action;
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sessions::after;
use chartkey_fhir::{Kinds, RecordType};
use chartkey_vault::claim::ClaimKey;
use chartkey_vault::patient::create;
use chartkey_vault::record::BodyKind;
use chartkey_vault::write::new_id;
use zeroize::Zeroizing;

use super::{
    AskedTerms, Assisted, AssistedFailure, Content, RecordQuery, RecordView, Upload, coded,
};
use crate::Failure;
use crate::charts::{self, Chart, NewChart};
use crate::claims::{self, Claim, Proof};

/// Days of a grant that outlives the time in which a chart may be claimed.
const _: () = assert!(GRANT_DAYS > UNCLAIMED_DAYS);

/// The two texts of a chart that are medical, and so sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartText {
    /// `medical_history`: a record of type `conditions`.
    MedicalHistory,
    /// `dietary_preferences`: a record of type `diet`.
    DietaryPreferences,
}

impl ChartText {
    /// Both.
    pub const ALL: [Self; 2] = [Self::MedicalHistory, Self::DietaryPreferences];

    const fn record_type(self) -> RecordType {
        match self {
            Self::MedicalHistory => RecordType::Conditions,
            Self::DietaryPreferences => RecordType::Diet,
        }
    }

    /// The title of its record.
    const fn title(self) -> &'static str {
        match self {
            Self::MedicalHistory => "Medical history",
            Self::DietaryPreferences => "Dietary preferences",
        }
    }
}

/// A sheet that was made: its key is shown once.
pub struct ClaimSheet {
    /// The chart.
    pub chart: Chart,
    /// What the sheet carries.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for ClaimSheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimSheet")
    }
}

impl Assisted {
    /// Opens a chart: its seed is made and sealed to the caller here, and the
    /// caller's own grant with it, which is what stays once the patient has
    /// claimed the chart.
    ///
    /// # Errors
    /// As [`charts::create_chart`].
    pub async fn create_chart(&mut self, new: NewChart) -> Result<Chart, AssistedFailure> {
        let mut rng = self.service.rng();
        let id = new_id(self.now, &mut rng);
        let (sealed, _seed) =
            create(id, &self.client.account, self.now, &mut rng).map_err(Failure::Vault)?;
        let chart = charts::create_chart(&self.service, &self.caller, new, sealed)
            .await
            .map_err(coded)?;
        self.grant_practice(chart.patient).await?;
        Ok(chart)
    }

    /// The grant that a practitioner keeps of a chart they opened: every type,
    /// no sensitive kind, to read, to download and to write.
    async fn grant_practice(&mut self, patient: PatientId) -> Result<(), AssistedFailure> {
        let terms = AskedTerms {
            patient,
            types: RecordTypes::all(),
            kinds: Kinds::EMPTY,
            records: None,
            include_future: true,
            write_types: RecordTypes::all(),
            valid_from: None,
            expires_at: after(self.now, GRANT_DAYS * 24 * 60 * 60 - 60),
            purpose: Some("treatment".to_owned()),
            may_download: true,
            may_reshare: false,
        };
        let me = self.caller.account()?.id;
        self.grant(me, &terms, None, None, None).await?;
        Ok(())
    }

    /// A text of a chart, where the caller may read it and there is one.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn chart_text(
        &mut self,
        patient: PatientId,
        which: ChartText,
    ) -> Result<Option<Zeroizing<String>>, AssistedFailure> {
        let Some(found) = self.find_chart_text(patient, which).await? else {
            return Ok(None);
        };
        match found.content {
            Content::Text(text) => Ok(String::from_utf8(text.into_vec()).ok().map(Zeroizing::new)),
            Content::None | Content::Resource(_) => Ok(None),
        }
    }

    /// The newest text record of that title, as practices write it.
    async fn find_chart_text(
        &mut self,
        patient: PatientId,
        which: ChartText,
    ) -> Result<Option<RecordView>, AssistedFailure> {
        let query = RecordQuery {
            record_type: Some(which.record_type()),
            text: Some(which.title().to_owned()),
            ..RecordQuery::default()
        };
        let page = self.list(patient, &query).await?;
        Ok(page.items.into_iter().find(|record| {
            record.fields.body == BodyKind::Text && record.fields.header.title == which.title()
        }))
    }

    /// Writes a text of a chart: a new version where there is one already.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn put_chart_text(
        &mut self,
        patient: PatientId,
        which: ChartText,
        text: Zeroizing<String>,
    ) -> Result<(), AssistedFailure> {
        let known = self.find_chart_text(patient, which).await?;
        let upload = Upload::Text {
            text: text.to_string(),
            title: Some(which.title().to_owned()),
            date: None,
        };
        let limits = chartkey_fhir::Limits::default();
        match known {
            Some(known) => {
                self.update(known.id, known.version, upload, &limits)
                    .await?;
            }
            None => {
                let record_type = Some(which.record_type());
                self.upload(patient, upload, record_type, &limits).await?;
            }
        }
        Ok(())
    }

    /// Makes a claim sheet: whoever has its key takes the chart over without
    /// anybody's confirmation.
    ///
    /// # Errors
    /// As [`charts::create_claim_sheet`].
    pub async fn create_claim_sheet(
        &mut self,
        patient: PatientId,
    ) -> Result<ClaimSheet, AssistedFailure> {
        let action = Action::CreateClaimSheet;
        charts::may(&self.service, &self.caller, action, patient)
            .await
            .map_err(coded)?;
        let mut rng = self.service.rng();
        let key = ClaimKey::random(&mut rng);
        let open = self.client.open(patient.0).await;
        let open = open.map_err(|e| self.failed(e))?;
        let seed = open.keys.newest_seed().map_err(Failure::Vault)?;
        let wrapped = key.wrap(patient.0, seed, &mut rng);
        let auth = *key.auth(patient.0).as_bytes();
        let chart =
            charts::create_claim_sheet(&self.service, &self.caller, patient, auth, wrapped.0)
                .await
                .map_err(coded)?;
        Ok(ClaimSheet {
            chart,
            key: key.to_text(),
        })
    }

    /// Confirms a claim: seals the seed to the claimant.
    ///
    /// # Errors
    /// As [`claims::answer_claim`].
    pub async fn confirm_claim(&mut self, id: ClaimId) -> Result<Claim, AssistedFailure> {
        let claim = claims::find_claim(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        let (client, mut act) = self.acting();
        let sealed = client
            .seal_to_claimant(claim.patient.0, claim.claimant.0, &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        claims::answer_claim(&self.service, &self.caller, id, Some(sealed))
            .await
            .map_err(coded)
    }

    /// Claims a chart with its sheet, and takes it over at once.
    ///
    /// # Errors
    /// As [`claims::create_claim`] and [`claims::complete_claim`].
    pub async fn claim_by_sheet(
        &mut self,
        patient: PatientId,
        key: &str,
    ) -> Result<Claim, AssistedFailure> {
        let key = ClaimKey::from_text(key).map_err(|_| Failure::field("claim_key", "not a key"))?;
        let proof = Proof::Sheet {
            patient,
            auth: *key.auth(patient.0).as_bytes(),
        };
        let claim = claims::create_claim(&self.service, &self.caller, proof)
            .await
            .map_err(coded)?;
        let wrapped = claim
            .wrapped_seed
            .as_ref()
            .ok_or(Failure::Internal("a sheet without its seed"))?;
        let seed = key
            .unwrap(patient.0, claim.generation, wrapped)
            .map_err(Failure::Vault)?;
        self.take_over(&claim, Some(seed)).await
    }

    /// Takes a chart over whose seed the practitioner sealed to the caller.
    ///
    /// # Errors
    /// As [`claims::complete_claim`].
    pub async fn complete_claim(&mut self, id: ClaimId) -> Result<Claim, AssistedFailure> {
        let claim = claims::find_claim(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        self.take_over(&claim, None).await
    }

    async fn take_over(
        &mut self,
        claim: &Claim,
        seed: Option<chartkey_vault::keys::PatientSeed>,
    ) -> Result<Claim, AssistedFailure> {
        for _ in 0..super::TRIES {
            let (client, mut act) = self.acting();
            let sealed = client
                .seal_claim(claim.patient.0, seed.clone(), &mut act)
                .await;
            let sealed = match sealed {
                Err(error) if error.is_conflict() => continue,
                other => other.map_err(|e| self.failed(e))?,
            };
            let done = claims::complete_claim(&self.service, &self.caller, claim.id, sealed).await;
            match done {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                Err(other) => return Err(coded(other)),
                Ok(_) => {
                    return claims::find_claim(&self.service, &self.caller, claim.id)
                        .await
                        .map_err(coded);
                }
            }
        }
        let moved = chartkey_vault::error::VaultError::Conflict("compartment.moved".into());
        Err(Failure::Vault(moved))
    }
}
