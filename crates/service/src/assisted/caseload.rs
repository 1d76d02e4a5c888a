//! A caseload taken in at once, for practitioners who let the server hold their
//! keys for one request: row by row, so that one that is wrong keeps no other out.

use chartkey_domain::charts::MAX_HISTORY;
use chartkey_domain::codes;
use chartkey_domain::ids::PatientId;
use zeroize::Zeroizing;

use super::{Assisted, AssistedFailure, ChartText, coded};
use crate::Failure;
use crate::charts::{self, KnownCharts, NewChart};

/// A chart to open, and what is to be sealed into it.
pub type ChartAndTexts = (NewChart, Vec<(ChartText, Zeroizing<String>)>);

/// A patient of an imported file.
pub struct ImportRow {
    /// Which row, as a spreadsheet counts.
    pub row: usize,
    /// Who; or why the row cannot be read.
    pub patient: Result<ChartAndTexts, String>,
}

impl std::fmt::Debug for ImportRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportRow({})", self.row)
    }
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A chart was opened, and its patient invited.
    Created(PatientId),
    /// The caseload has them already.
    Known(PatientId),
    /// It is not taken, for this reason.
    Invalid(String),
}

/// What is said of a row that could not be stored.
const NOT_STORED: &str = "it could not be stored; import the file again";

impl Assisted {
    /// Opens a chart for every row that is not in the caller's caseload yet, known
    /// by address or by number; the same file again opens none.
    ///
    /// # Errors
    /// The policy's, before anything is done. What is wrong with a row is said of
    /// that row.
    pub async fn import_charts(
        &mut self,
        rows: Vec<ImportRow>,
    ) -> Result<Vec<(usize, Imported)>, AssistedFailure> {
        charts::may_import(&self.service, &self.caller)
            .await
            .map_err(coded)?;
        let mut known = KnownCharts::load(&self.service, &self.caller)
            .await
            .map_err(coded)?;
        let mut done = Vec::with_capacity(rows.len());
        for row in rows {
            let became = match row.patient {
                Err(why) => Imported::Invalid(why),
                Ok((new, texts)) => self.import_chart(&mut known, new, texts).await,
            };
            done.push((row.row, became));
        }
        Ok(done)
    }

    async fn import_chart(
        &mut self,
        known: &mut KnownCharts,
        new: NewChart,
        texts: Vec<(ChartText, Zeroizing<String>)>,
    ) -> Imported {
        if let Some(patient) = known.find(&self.service, &new) {
            return Imported::Known(patient);
        }
        let long = texts
            .iter()
            .any(|(_, text)| text.chars().count() > MAX_HISTORY);
        if long {
            return Imported::Invalid("medical history or preferences are too long".to_owned());
        }
        let chart = match self.create_chart(new.clone()).await {
            Ok(chart) => chart,
            Err(failure) => return Imported::Invalid(why(&failure)),
        };
        known.add(&self.service, &new, chart.patient);
        for (which, text) in texts {
            if let Err(failure) = self.put_chart_text(chart.patient, which, text).await {
                tracing::warn!(?failure, "a text of an imported chart was not stored");
                return Imported::Invalid(format!(
                    "the chart was opened; its texts were not stored: {}",
                    why(&failure)
                ));
            }
        }
        Imported::Created(chart.patient)
    }
}

/// What is wrong, for people. Never repeats what was sent.
fn why(failure: &AssistedFailure) -> String {
    match failure {
        Failure::Invalid(fields) => {
            let said = fields
                .iter()
                .map(|(field, what)| format!("{field}: {what}"));
            said.collect::<Vec<_>>().join("; ")
        }
        Failure::Noun(error) => codes::lookup(crate::NounError::code(error))
            .map_or_else(|| NOT_STORED.to_owned(), |code| code.title.to_owned()),
        Failure::Refused(refusal) => refusal.to_string(),
        _ => NOT_STORED.to_owned(),
    }
}
