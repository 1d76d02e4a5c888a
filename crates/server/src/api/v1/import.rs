//! `POST /api/v1/patients/import`: a caseload out of a table, as platforms export
//! their contacts.

use axum::extract::{DefaultBodyLimit, Request, State};
use chartkey_domain::charts::{MAX_IMPORT_BYTES, MAX_IMPORT_ROWS};
use chartkey_service::assisted::{Assisted, ChartAndTexts, ChartText, ImportRow, Imported};
use chartkey_service::charts::{ChartFailure, NewChart};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::super::caller::Caller;
use super::super::json::{Json, media_type, read_body};
use super::super::problem::{Problem, ProblemView};
use crate::app::App;

/// Most columns that are looked at.
const MAX_COLUMNS: usize = 200;

/// The routes of this file, whose bodies are larger than others'.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(import_charts))
        .layer(DefaultBodyLimit::max(MAX_IMPORT_BYTES))
}

/// What became of one row.
#[derive(Serialize, ToSchema)]
pub struct ImportRowView {
    /// As a spreadsheet counts: the names of the columns are row 1.
    row: usize,
    /// `created`, `known` (the caseload has them already) or `invalid`.
    status: &'static str,
    /// The patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    id: Option<String>,
    /// What is wrong with an invalid row.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What became of a file.
#[derive(Serialize, ToSchema)]
pub struct ImportView {
    created: usize,
    known: usize,
    invalid: usize,
    /// Row by row, in the order of the file.
    rows: Vec<ImportRowView>,
}

/// Opens a chart for every row of a table, and invites its patients. The first row
/// names the columns: `name` (or `First Name` and `Last Name`), `email`,
/// `date_of_birth` (or `DOB`), `contact_details` (or `Phone Number`),
/// `dietary_preferences`, `medical_history`, `carepatron_patient_id`; others are left
/// out. Comma, semicolon or tab; 500 rows and 4 MB at most. A row that is wrong keeps
/// no other out, and whom the caseload has already (by address or number) gets no
/// second chart. Assisted clients.
#[utoipa::path(post, path = "/api/v1/patients/import", tag = "practice",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn import_charts(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    caller.account().map_err(ChartFailure::from)?;
    if media_type(request.headers()).as_deref() != Some("text/csv") {
        return Err(Problem::new("body.media_type"));
    }
    let bytes = read_body(request, &app).await?;
    let rows = read_table(&bytes)?;
    drop(bytes);
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let done = assisted.import_charts(rows).await?;
    let rows: Vec<ImportRowView> = done.into_iter().map(view).collect();
    let count = |status: &str| rows.iter().filter(|row| row.status == status).count();
    Ok(Json(ImportView {
        created: count("created"),
        known: count("known"),
        invalid: count("invalid"),
        rows,
    }))
}

fn view((row, became): (usize, Imported)) -> ImportRowView {
    let (status, id, problem) = match became {
        Imported::Created(id) => ("created", Some(id.to_string()), None),
        Imported::Known(id) => ("known", Some(id.to_string()), None),
        Imported::Invalid(why) => ("invalid", None, Some(why)),
    };
    ImportRowView {
        row,
        status,
        id,
        problem,
    }
}

/// What a column says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    FirstName,
    LastName,
    Email,
    BirthDate,
    Phone,
    Contact,
    Preferences,
    History,
    Number,
}

/// Names of columns, lower-case and without what is no letter or digit, as our own
/// API has them and as contacts are exported elsewhere.
const COLUMNS: [(&str, Column); 33] = [
    ("name", Column::Name),
    ("fullname", Column::Name),
    ("displayname", Column::Name),
    ("clientname", Column::Name),
    ("patientname", Column::Name),
    ("firstname", Column::FirstName),
    ("givenname", Column::FirstName),
    ("lastname", Column::LastName),
    ("surname", Column::LastName),
    ("familyname", Column::LastName),
    ("email", Column::Email),
    ("emailaddress", Column::Email),
    ("email1value", Column::Email),
    ("dateofbirth", Column::BirthDate),
    ("dob", Column::BirthDate),
    ("birthdate", Column::BirthDate),
    ("birthday", Column::BirthDate),
    ("phone", Column::Phone),
    ("phonenumber", Column::Phone),
    ("phone1value", Column::Phone),
    ("mobile", Column::Phone),
    ("mobilephone", Column::Phone),
    ("telephone", Column::Phone),
    ("contactdetails", Column::Contact),
    ("contact", Column::Contact),
    ("address", Column::Contact),
    ("dietarypreferences", Column::Preferences),
    ("dietaryrequirements", Column::Preferences),
    ("medicalhistory", Column::History),
    ("carepatronpatientid", Column::Number),
    ("carepatronid", Column::Number),
    ("clientid", Column::Number),
    ("identificationnumber", Column::Number),
];

fn column_of(name: &str) -> Option<Column> {
    let plain: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect();
    COLUMNS
        .iter()
        .find(|(known, _)| *known == plain)
        .map(|(_, column)| *column)
}

/// The rows of a table; 422 where it is none, 413 where it has too many.
fn read_table(bytes: &[u8]) -> Result<Vec<ImportRow>, Problem> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
        .map_err(|_| Problem::new("body.malformed").with_detail("The file is not UTF-8."))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter_of(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let unreadable = |_| Problem::field("body", "not a table with the names of its columns first");
    let headers = reader.headers().map_err(unreadable)?;
    let columns: Vec<Option<Column>> = headers.iter().take(MAX_COLUMNS).map(column_of).collect();
    let has = |column| columns.contains(&Some(column));
    if !has(Column::Email) {
        return Err(Problem::field("email", "no column of this name"));
    }
    if !has(Column::Name) && !has(Column::FirstName) && !has(Column::LastName) {
        return Err(Problem::field("name", "no column of this name"));
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        if rows.len() >= MAX_IMPORT_ROWS {
            return Err(Problem::new("body.too_large").with_detail("500 patients at most."));
        }
        let patient = match record {
            // An empty line at the end is no patient.
            Ok(record) if record.iter().all(str::is_empty) => continue,
            Ok(record) => read_row(&columns, &record),
            Err(_) => Err("this row cannot be read".to_owned()),
        };
        let row = index + 2;
        rows.push(ImportRow { row, patient });
    }
    Ok(rows)
}

/// What separates the columns: what there is most of in the first line.
fn delimiter_of(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let most = [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|one| (first.bytes().filter(|b| b == one).count(), *one == b','));
    most.unwrap_or(b',')
}

fn read_row(
    columns: &[Option<Column>],
    record: &csv::StringRecord,
) -> Result<ChartAndTexts, String> {
    let all = |wanted: Column| -> Vec<&str> {
        let cells = columns.iter().zip(record.iter());
        cells
            .filter(|(column, cell)| **column == Some(wanted) && !cell.is_empty())
            .map(|(_, cell)| cell)
            .collect()
    };
    let one = |wanted| all(wanted).first().map(|cell| (*cell).to_owned());
    let name = one(Column::Name).unwrap_or_else(|| {
        let parts = [one(Column::FirstName), one(Column::LastName)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let contact = [all(Column::Phone), all(Column::Contact)]
        .concat()
        .join("\n");
    let birth_date = one(Column::BirthDate)
        .map(|typed| day(&typed))
        .transpose()?;
    let texts = [
        (ChartText::MedicalHistory, one(Column::History)),
        (ChartText::DietaryPreferences, one(Column::Preferences)),
    ];
    Ok((
        NewChart {
            name,
            email: one(Column::Email).unwrap_or_default(),
            contact: Some(contact).filter(|text| !text.is_empty()),
            birth_date,
            platform_id: one(Column::Number),
        },
        texts
            .into_iter()
            .filter_map(|(which, text)| Some((which, Zeroizing::new(text?))))
            .collect(),
    ))
}

/// A day as `YYYY-MM-DD`. Where day and month could be each other nobody guesses.
fn day(typed: &str) -> Result<String, String> {
    let date = typed.split(['T', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
    let unclear = || Err("date_of_birth: write it as YYYY-MM-DD".to_owned());
    let Some([first, second, third]) = numbers.as_deref() else {
        return unclear();
    };
    let (year, month, day) = match (*first, *second, *third) {
        (year, month, day) if year > 999 => (year, month, day),
        (day, month, year) if year > 999 && day > 12 => (year, month, day),
        (month, day, year) if year > 999 && day > 12 => (year, month, day),
        (same, other, year) if year > 999 && same == other => (year, same, same),
        _ => return unclear(),
    };
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_where_it_can_only_be_one() {
        for (typed, expected) in [
            ("1980-02-03", Some("1980-02-03")),
            ("1980/2/3", Some("1980-02-03")),
            ("1980-02-03T00:00:00Z", Some("1980-02-03")),
            ("31/12/1980", Some("1980-12-31")),
            ("12/31/1980", Some("1980-12-31")),
            ("31.12.1980", Some("1980-12-31")),
            ("02/02/1980", Some("1980-02-02")),
            ("03/02/1980", None),
            ("80-02-03", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(day(typed).ok().as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn columns_are_known_by_our_names_and_by_those_of_exported_contacts() {
        let table = "First Name;Last Name;Email;Phone Number;DOB;Notes\n\
                     Ann;\"Pat; ient\";ann@example.org;+1 555;1980-02-03;x\n;;;;;\n";
        let rows = read_table(table.as_bytes()).unwrap();
        let [row] = rows.as_slice() else {
            panic!("{} rows", rows.len())
        };
        let (new, texts) = row.patient.as_ref().unwrap();
        assert_eq!(
            (row.row, new.name.as_str(), new.email.as_str()),
            (2, "Ann Pat; ient", "ann@example.org")
        );
        assert_eq!(new.contact.as_deref(), Some("+1 555"));
        assert_eq!(new.birth_date.as_deref(), Some("1980-02-03"));
        assert!(texts.is_empty());
        let ours = "name,email,dietary_preferences,carepatron_patient_id\nAnn,a@example.org,\"No\npork\",77";
        let rows = read_table(ours.as_bytes()).unwrap();
        let (new, texts) = rows[0].patient.as_ref().unwrap();
        assert_eq!(new.platform_id.as_deref(), Some("77"));
        assert_eq!(texts[0].1.as_str(), "No\npork");
    }

    #[test]
    fn a_table_without_the_columns_that_are_needed_is_refused_whole() {
        for table in ["", "name\nAnn", "email\na@example.org", "\0\0\0"] {
            assert!(read_table(table.as_bytes()).is_err(), "{table:?}");
        }
        assert!(read_table(b"name,email\n\xff,x").is_err());
        let many = format!("name,email\n{}", "a,b\n".repeat(MAX_IMPORT_ROWS + 1));
        assert!(read_table(many.as_bytes()).is_err());
    }
}
