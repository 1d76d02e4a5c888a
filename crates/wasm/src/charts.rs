//! Charts, claims, destinations and new keys: more of `Vault`.

use chartkey_crypto::SecretBytes;
use chartkey_fhir::{Kinds, RecordType};
use chartkey_vault::{Id, charts::ChartText, claim::ClaimKey, grant::Cover};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::said::{act, chance, hear, id, refuse, say};
use crate::vault::Vault;

/// A patient for a destination.
#[derive(Deserialize)]
struct DestinationView {
    connection: Id,
    patient: Id,
    #[serde(default)]
    record_types: Vec<RecordType>,
    #[serde(default)]
    kinds: Kinds,
    /// The other members of the call.
    about: Map<String, Value>,
}

#[wasm_bindgen]
impl Vault {
    /// Opens a chart; `person` as `POST /api/v1/patients` has it, without what is
    /// sealed. Gives the patient's id.
    #[wasm_bindgen(js_name = createChart)]
    pub async fn create_chart(&mut self, person: String) -> Result<String, JsValue> {
        let person: Map<String, Value> = hear(&person)?;
        let mut rng = chance();
        let client = self.client()?;
        let made = client.create_chart(&person, &mut act(&mut rng)).await;
        Ok(made.map_err(refuse)?.to_string())
    }

    /// The grant that whoever opened a chart keeps of it; `cover` as for grants.
    #[wasm_bindgen(js_name = keepAccess)]
    pub async fn keep_access(&mut self, patient: String, cover: String) -> Result<(), JsValue> {
        let patient = id(&patient)?;
        let cover: Cover = hear(&cover)?;
        let mut rng = chance();
        let client = self.client()?;
        let kept = client.keep_access(patient, cover, &mut act(&mut rng)).await;
        kept.map_err(refuse)?;
        self.forget_patient(patient);
        Ok(())
    }

    /// A text of a chart, `medical_history` or `dietary_preferences`, as JSON; null
    /// where there is none.
    #[wasm_bindgen(js_name = chartText)]
    pub async fn chart_text(&mut self, patient: String, which: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let which: ChartText = hear(&json!(which).to_string())?;
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        let found = client.chart_text(open, which).await.map_err(refuse)?;
        let text = found
            .as_ref()
            .and_then(|read| std::str::from_utf8(&read.content).ok());
        say(&text)
    }

    /// Writes a text of a chart.
    #[wasm_bindgen(js_name = putChartText)]
    pub async fn put_chart_text(
        &mut self,
        patient: String,
        which: String,
        text: String,
        author_name: Option<String>,
    ) -> Result<(), JsValue> {
        let patient = id(&patient)?;
        let which: ChartText = hear(&json!(which).to_string())?;
        let text = SecretBytes::new(text.into_bytes());
        let author = author_name.as_deref();
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let put = client.put_chart_text(patient, which, text, author, act);
        put.await.map_err(refuse)?;
        self.forget_patient(patient);
        Ok(())
    }

    /// Makes a claim sheet. Gives its key as text.
    #[wasm_bindgen(js_name = claimSheet)]
    pub async fn claim_sheet(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let mut rng = chance();
        let client = self.client()?;
        let made = client.make_claim_sheet(patient, &mut act(&mut rng)).await;
        Ok(made.map_err(refuse)?.to_text().to_string())
    }

    /// Confirms a claim: seals the patient's seed to the claimant.
    #[wasm_bindgen(js_name = confirmClaim)]
    pub async fn confirm_claim(
        &mut self,
        claim: String,
        patient: String,
        claimant: String,
    ) -> Result<(), JsValue> {
        let (claim, patient, claimant) = (id(&claim)?, id(&patient)?, id(&claimant)?);
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let confirmed = client.confirm_claim(claim, patient, claimant, act);
        confirmed.await.map_err(refuse)
    }

    /// Takes a chart over with the key of its sheet.
    #[wasm_bindgen(js_name = claimBySheet)]
    pub async fn claim_by_sheet(&mut self, patient: String, key: String) -> Result<(), JsValue> {
        let patient = id(&patient)?;
        let key = ClaimKey::from_text(&key).map_err(refuse)?;
        let mut rng = chance();
        let client = self.client()?;
        let taken = client
            .claim_by_sheet(patient, &key, &mut act(&mut rng))
            .await;
        taken.map_err(refuse)?;
        self.forget_patient(patient);
        Ok(())
    }

    /// Takes a chart over that its practitioner confirmed.
    #[wasm_bindgen(js_name = completeClaim)]
    pub async fn complete_claim(&mut self, claim: String, patient: String) -> Result<(), JsValue> {
        let (claim, patient) = (id(&claim)?, id(&patient)?);
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let taken = client.complete_claim(claim, patient, None, act);
        taken.await.map_err(refuse)?;
        self.forget_patient(patient);
        Ok(())
    }

    /// Puts a patient on a destination: `{connection, patient, record_types?,
    /// kinds?, about}`, the last as `POST /api/v1/connections/{id}/patients` has it.
    #[wasm_bindgen(js_name = attachDestination)]
    pub async fn attach_destination(&mut self, destination: String) -> Result<(), JsValue> {
        let asked: DestinationView = hear(&destination)?;
        let (connection, patient) = (asked.connection, asked.patient);
        let (types, kinds, about) = (asked.record_types, asked.kinds, asked.about);
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let attached = client.attach_destination(connection, patient, types, kinds, about, act);
        attached.await.map_err(refuse)
    }

    /// Seals a portion of what destinations are owed: `{sealed, more}`.
    #[wasm_bindgen(js_name = sealOwed)]
    pub async fn seal_owed(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let mut rng = chance();
        let client = self.client()?;
        let done = client.settle_owed(patient, &mut act(&mut rng)).await;
        say(&done.map_err(refuse)?)
    }

    /// Gives the account new keys. `patients` is a JSON array of all that it manages
    /// or that are shared with it; the password is the present one, with which
    /// somebody has just signed in. Gives the new recovery code.
    #[wasm_bindgen(js_name = changeKeys)]
    pub async fn change_keys(
        &mut self,
        email: String,
        password: String,
        patients: String,
    ) -> Result<String, JsValue> {
        let concerned: Vec<Id> = hear(&patients)?;
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let stretched = client.transport.stretch_again(&email, &password).await;
        let (root, kdf) = stretched.map_err(refuse)?;
        let code = client.rekey(&root, kdf, &concerned, act).await;
        let code = code.map_err(refuse)?;
        for patient in concerned {
            self.forget_patient(patient);
        }
        Ok(code.to_text().as_str().to_owned())
    }
}
