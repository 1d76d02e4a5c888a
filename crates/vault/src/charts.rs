//! Charts over the wire: what a practitioner does who lets nobody else hold the
//! keys of those they opened a chart for, and what the claimant does who takes
//! one over. The same as assisted requests do within the server.
//!
//! A chart is opened in steps: the patient, the practitioner's own grant, the
//! medical texts. Every step after the first looks what is there already, so
//! that whoever was interrupted begins again.

use chartkey_crypto::SecretBytes;
use chartkey_fhir::{Compartment, Kinds, RecordType, header_for_text};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    claim::ClaimKey,
    client::{Act, Client},
    error::VaultError,
    grant::Cover,
    http::{Fetch, Http, SEALED, done},
    import::{NewRecord, digest_of},
    keys::PatientSeed,
    patient::{OpenPatient, create},
    protocol::WriteOutcome,
    read::BatchKeys,
    reading::{Listed, Listing, ReadRecord},
    record::{BodyKind, Fields, content_tag},
    sharing::Wish,
    transport::{MaybeSend, SealedQuery, Transport},
    write::{Draft, DraftBody, new_id},
};

/// How long the practitioner's own grant lasts, in seconds: the longest that a
/// grant may, less a minute for clocks that differ.
const ACCESS_SECS: i64 = 365 * 24 * 60 * 60 - 60;
/// How often something is signed anew when the record moved on.
const TRIES: usize = 8;
/// Records of one page of a list.
const PAGE: u32 = 500;
/// Where what people add by hand comes from.
const SOURCE: &str = "upload";

/// The two texts of a chart that are medical, and so sealed like any record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChartText {
    /// A record of type `conditions`.
    MedicalHistory,
    /// A record of type `diet`.
    DietaryPreferences,
}

impl ChartText {
    /// The type of its record.
    pub const fn record_type(self) -> RecordType {
        match self {
            Self::MedicalHistory => RecordType::Conditions,
            Self::DietaryPreferences => RecordType::Diet,
        }
    }

    /// The title of its record.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MedicalHistory => "Medical history",
            Self::DietaryPreferences => "Dietary preferences",
        }
    }

    fn is_told_by(self, listed: &Listed) -> bool {
        let fields = &listed.open.header.fields;
        fields.body == BodyKind::Text && fields.header.title == self.title()
    }
}

#[derive(Serialize)]
struct Sheet {
    auth: Bytes32,
    wrapped: Bytes,
}

#[derive(Serialize)]
struct Confirmation {
    decision: &'static str,
    sealed_seed: Bytes,
}

#[derive(Serialize)]
struct SheetShown {
    patient_id: Id,
    claim_auth: Bytes32,
}

/// A claim, as far as whoever takes the chart over needs it.
#[derive(Debug, Deserialize)]
struct Claimed {
    id: Id,
    patient_id: Id,
    generation: u32,
    #[serde(default)]
    wrapped_seed: Option<Bytes>,
}

impl<F: Fetch + MaybeSend> Client<Http<F>> {
    /// Opens a chart, whose record this account manages until its patient claims
    /// it. `person` has the other members of `POST /api/v1/patients`.
    ///
    /// # Errors
    /// The server's refusals.
    pub async fn create_chart(
        &mut self,
        person: &Map<String, Value>,
        act: &mut Act<'_>,
    ) -> Result<Id, VaultError> {
        let id = new_id(act.now, act.rng);
        let (patient, _) = create(id, &self.account, act.now, act.rng)?;
        let mut body = person.clone();
        let sealed = serde_json::to_value(&patient).map_err(|_| VaultError::Internal)?;
        body.insert("patient".to_owned(), sealed);
        let path = "/api/v1/patients".to_owned();
        let answer = self.transport.carry("POST", path, SEALED, &[], Some(&body));
        done(&answer.await?)?;
        self.remember(&patient.statement);
        Ok(id)
    }

    /// The grant that whoever opened a chart keeps of it, once its patient has
    /// claimed it: every type, no sensitive kind, to read, to write and to take
    /// along. Where there is one already, nothing happens.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] for whoever is no manager.
    pub async fn keep_access(
        &mut self,
        patient: Id,
        cover: Cover,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let open = self.settle(patient, act).await?;
        let me = self.account.account();
        let holders = &open.manager()?.holders;
        let mut living = open.chain.living(act.now);
        if living.any(|g| holders.get(&g.terms.grant).is_some_and(|h| h.holder == me)) {
            return Ok(());
        }
        let expires_at = act
            .now
            .checked_add(SignedDuration::from_secs(ACCESS_SECS))
            .map_err(|_| VaultError::Input("not a time"))?;
        let wish = Wish {
            types: RecordType::ALL.to_vec(),
            kinds: Kinds::EMPTY,
            records: None,
            write_types: RecordType::ALL.to_vec(),
            valid_from: None,
            expires_at,
            purpose: "TREAT".to_owned(),
            may_download: true,
            may_reshare: false,
            cover,
        };
        self.share_with(patient, me, &wish, act).await?;
        Ok(())
    }

    /// A text of a chart, where there is one that this account may read.
    ///
    /// # Errors
    /// What reading is refused with.
    pub async fn chart_text(
        &mut self,
        open: &OpenPatient,
        which: ChartText,
    ) -> Result<Option<ReadRecord>, VaultError> {
        let Some(found) = self.find_chart_text(open, which).await? else {
            return Ok(None);
        };
        self.read(open, found, None).await.map(Some)
    }

    /// The newest text of that title, as practices write it.
    async fn find_chart_text(
        &self,
        open: &OpenPatient,
        which: ChartText,
    ) -> Result<Option<Id>, VaultError> {
        let mut query = SealedQuery {
            record_type: Some(which.record_type()),
            headers_only: true,
            limit: Some(PAGE),
            ..SealedQuery::default()
        };
        loop {
            let page = self.transport.list(open.keys.patient(), &query).await?;
            let next = page.next.clone();
            let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
            let mut listing = Listing::default();
            listing.take(page, &open.keys, &batches);
            let found = listing.records.iter().find(|one| which.is_told_by(one));
            if let Some(found) = found {
                return Ok(Some(found.sealed.id));
            }
            match next {
                Some(next) if query.cursor.as_ref() != Some(&next) => query.cursor = Some(next),
                _ => return Ok(None),
            }
        }
    }

    /// Writes a text of a chart: a new version where there is one already, and
    /// nothing where it says the same.
    ///
    /// # Errors
    /// What writing is refused with; [`VaultError::Conflict`] where somebody else
    /// wrote it meanwhile.
    pub async fn put_chart_text(
        &mut self,
        patient: Id,
        which: ChartText,
        text: SecretBytes,
        author_name: Option<&str>,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let words = std::str::from_utf8(&text).map_err(|_| VaultError::Input("not a text"))?;
        let header = header_for_text(Some(which.title()), words, None);
        let open = self.settle(patient, act).await?;
        let Some(known) = self.chart_text(&open, which).await? else {
            let new = NewRecord {
                compartment: Compartment::new(which.record_type(), Kinds::EMPTY),
                body: BodyKind::Text,
                content_type: header_type(),
                file_name: None,
                header,
                content: text,
            };
            let added = self.add(patient, vec![new], SOURCE, author_name, act);
            return added.await.map(|_| ());
        };
        if known.content[..] == text[..] {
            return Ok(());
        }
        let keys = self.dedup_keys(&open);
        let dedup = keys.first().ok_or(VaultError::NoKey)?;
        let sealed = &known.record.sealed;
        let draft = Draft {
            record: sealed.id,
            version: sealed.version.saturating_add(1),
            previous: Some(sealed.commitment),
            compartment: sealed.compartment,
            supporting: false,
            fields: Fields {
                body: BodyKind::Text,
                content_type: header_type(),
                size: text.len() as u64,
                file_name: None,
                header,
                author_name: author_name.map(str::to_owned),
            },
            // The record keeps the tag it has.
            identity_tag: None,
            content_tag: content_tag(dedup, &digest_of(&text)),
            body: DraftBody::Open(text),
        };
        self.write(patient, &[draft], act).await.map(|_| ())
    }

    /// Makes a claim sheet: whoever has its key takes the chart over without
    /// anybody's confirmation. The sheet before counts no longer.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] for whoever is no manager; the server's refusals.
    pub async fn make_claim_sheet(
        &mut self,
        patient: Id,
        act: &mut Act<'_>,
    ) -> Result<ClaimKey, VaultError> {
        let open = self.open(patient).await?;
        let key = ClaimKey::random(act.rng);
        let sheet = Sheet {
            auth: key.auth(patient),
            wrapped: key.wrap(patient, open.keys.newest_seed()?, act.rng),
        };
        let path = format!("/api/v1/patients/{patient}/claim-sheet");
        let answer = self
            .transport
            .carry("POST", path, SEALED, &[], Some(&sheet));
        done(&answer.await?)?;
        Ok(key)
    }

    /// Confirms a claim: seals the patient's seed to the claimant.
    ///
    /// # Errors
    /// As [`Client::seal_to_claimant`]; the server's refusals.
    pub async fn confirm_claim(
        &mut self,
        claim: Id,
        patient: Id,
        claimant: Id,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let body = Confirmation {
            decision: "confirm",
            sealed_seed: self.seal_to_claimant(patient, claimant, act).await?,
        };
        let path = format!("/api/v1/claims/{claim}");
        let _: Value = self.transport.send_json("PUT", &path, &body).await?;
        Ok(())
    }

    /// Claims a chart with its sheet and takes it over.
    ///
    /// # Errors
    /// The server's refusals; [`VaultError::Open`] where the sheet does not open
    /// what the server kept for it.
    pub async fn claim_by_sheet(
        &mut self,
        patient: Id,
        key: &ClaimKey,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let shown = SheetShown {
            patient_id: patient,
            claim_auth: key.auth(patient),
        };
        let path = "/api/v1/claims";
        let claim: Claimed = self.transport.send_json("POST", path, &shown).await?;
        if claim.patient_id != patient {
            return Err(VaultError::Statement("a claim on another chart"));
        }
        let wrapped = claim.wrapped_seed.as_ref().ok_or(VaultError::Open)?;
        let seed = key.unwrap(patient, claim.generation, wrapped)?;
        self.complete_claim(claim.id, patient, Some(seed), act)
            .await
    }

    /// Takes a chart over: this account's first generation, which it alone
    /// manages. `seed` is that of a sheet; absent where the practitioner sealed it
    /// to this account.
    ///
    /// # Errors
    /// As [`Client::seal_claim`]; the server's refusals.
    pub async fn complete_claim(
        &mut self,
        claim: Id,
        patient: Id,
        seed: Option<PatientSeed>,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        for _ in 0..TRIES {
            let sealed = match self.seal_claim(patient, seed.clone(), act).await {
                Err(error) if error.is_conflict() => continue,
                other => other?,
            };
            let path = format!("/api/v1/claims/{claim}/complete");
            let done: Result<WriteOutcome, _> = self.transport.post(path, &sealed).await;
            match done {
                // Whoever is no longer asked for has it, or lost it: trying
                // again changes nothing.
                Err(VaultError::Conflict(code)) if code.starts_with("claim.") => {
                    return Err(VaultError::Conflict(code));
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    self.remember(&sealed.statement);
                    return Ok(());
                }
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }
}

fn header_type() -> String {
    "text/plain; charset=utf-8".to_owned()
}
