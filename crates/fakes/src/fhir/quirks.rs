//! What is wrong with a server, as switches. Each was seen at a real one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which server it resembles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Epic: categories and intents are required, documents are limited by the
    /// day, what is refused has a code.
    Epic,
    /// Oracle Health Millennium, once Cerner: tokens of 570 seconds, pages of ten,
    /// the same resource on two pages, strict about `Accept`.
    Oracle,
    /// A plain FHIR server that also takes writes.
    Plain,
}

/// What comes of a refresh token that was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// It stays, and the answer does not repeat it.
    #[default]
    Keep,
    /// Another comes; using the old one again ends the authorisation.
    Rotate,
}

/// What is wrong with next links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum NextLink {
    /// Nothing.
    #[default]
    Right,
    /// The last page's leads to itself.
    ToItself,
    /// After the second page they lead back to the first.
    Circle,
    /// They never end, and each page repeats what is there.
    Endless,
    /// There is one beyond the last page, to an empty one.
    BeyondLast,
    /// They are relative.
    Relative,
    /// They lack `http://`.
    NoScheme,
    /// They lead to this origin.
    Foreign {
        /// Such as `https://elsewhere.example`.
        origin: String,
    },
    /// The server refuses its own.
    Refused,
    /// They are this much longer than they need to be, in bytes.
    Long {
        /// Bytes.
        by: usize,
    },
}

/// How `aud` must be written to be let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aud {
    /// As the base URL.
    #[default]
    Plain,
    /// With a slash at its end.
    Slash,
    /// Not at all.
    Absent,
}

/// All switches. What is off does as the standard says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches, each on its own; a test turns one"
)]
pub struct Quirks {
    /// Nothing but descriptions is answered without a token.
    pub needs_token: bool,
    /// How long an access token lasts.
    pub token_lifetime_secs: i64,
    /// What comes of a used refresh token.
    pub refresh: Refresh,
    /// Refreshing sooner than this after the last time answers 429.
    pub refresh_interval_secs: i64,
    /// How long the patient authorised us for, as chosen at consent.
    pub grant_lifetime_secs: Option<i64>,
    /// How `aud` must be written.
    pub aud: Aud,

    /// Types that are refused with this status.
    pub refused_types: BTreeMap<String, u16>,
    /// Types that are refused with 403 and this code in the outcome.
    pub policy_codes: BTreeMap<String, String>,
    /// Types whose searches are refused without `category`.
    pub needs_category: Vec<String>,
    /// Whether medication orders are refused without `intent`.
    pub needs_intent: bool,
    /// A parameter without which every search is refused with 403.
    pub needs_param: Option<(String, String)>,
    /// Searches answer everybody's resources, whosever were asked for.
    pub ignores_patient: bool,
    /// `date` and `_lastUpdated` together are refused.
    pub exclusive_dates: bool,
    /// How `_lastUpdated` is written in the description; not supported where
    /// absent.
    pub last_updated: Option<String>,
    /// Whether `date` is declared.
    pub date: bool,
    /// Whether `Patient/$everything` is there.
    pub everything: bool,
    /// Whether searches can include medications.
    pub includes: bool,
    /// Whether the description lists combinations of parameters.
    pub declares_combinations: bool,

    /// Entries of a page without `_count`.
    pub default_count: usize,
    /// Entries of a page at most.
    pub max_count: usize,
    /// What is wrong with next links.
    pub next_link: NextLink,
    /// Pages link back with `prev`.
    pub says_prev: bool,
    /// After this many pages of a search its pages are over, once.
    pub pages_expire_after: Option<usize>,
    /// They are over with Epic's code, or else with 410.
    pub expires_with_code: bool,
    /// The first entry of every page is the last one's last, in an older version.
    pub repeats_entries: bool,
    /// Not more results than this, with a warning.
    pub result_cap: Option<usize>,
    /// A warning that nothing was found stands in empty results.
    pub warns_when_empty: bool,
    /// Adds what is no valid resource to every page.
    pub adds_broken: bool,
    /// A resource without a status answers 500.
    pub fails_without_status: bool,
    /// Adds this many bytes of blanks to every page.
    pub padding: usize,

    /// The media type of answers.
    pub json_type: String,
    /// Any other `Accept` answers 406, without a body.
    pub strict_accept: bool,
    /// A Binary answers 406 unless `Accept` is its type or that of FHIR.
    pub strict_binary_accept: bool,
    /// Binaries answer as resources, whatever is asked for.
    pub binary_as_resource: bool,
    /// Binaries whose id begins with `XR-` are missing.
    pub lacks_reports: bool,
    /// C-CDA documents are made anew for every read.
    pub makes_documents: bool,
    /// What a Binary claims to be, whatever it is.
    pub lies_about_type: Option<String>,
    /// Where a Binary redirects to.
    pub binary_elsewhere: Option<String>,
    /// Binaries that may be read in a day.
    pub documents_a_day: Option<u32>,
    /// Binaries need the scopes of Binary and DocumentReference.
    pub binary_scopes: bool,

    /// Calls in a minute; more answers 429 until the minute is over.
    pub calls_a_minute: Option<u32>,
    /// Says so in `X-RateLimit-Reset` as seconds left, instead of `Retry-After`.
    pub says_reset: bool,
    /// Everything has moved to this base, with 301.
    pub moved_to: Option<String>,
    /// Whether writes are taken.
    pub writable: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            needs_token: false,
            token_lifetime_secs: 3600,
            refresh: Refresh::default(),
            refresh_interval_secs: 0,
            grant_lifetime_secs: None,
            aud: Aud::default(),
            refused_types: BTreeMap::new(),
            policy_codes: BTreeMap::new(),
            needs_category: Vec::new(),
            needs_intent: false,
            needs_param: None,
            ignores_patient: false,
            exclusive_dates: false,
            last_updated: Some("_lastUpdated".to_owned()),
            date: true,
            everything: true,
            includes: true,
            declares_combinations: false,
            default_count: 20,
            max_count: 1000,
            next_link: NextLink::default(),
            says_prev: false,
            pages_expire_after: None,
            expires_with_code: false,
            repeats_entries: false,
            result_cap: None,
            warns_when_empty: false,
            adds_broken: false,
            fails_without_status: false,
            padding: 0,
            json_type: "application/fhir+json".to_owned(),
            strict_accept: false,
            strict_binary_accept: false,
            binary_as_resource: false,
            lacks_reports: false,
            makes_documents: false,
            lies_about_type: None,
            binary_elsewhere: None,
            documents_a_day: None,
            binary_scopes: false,
            calls_a_minute: None,
            says_reset: false,
            moved_to: None,
            writable: true,
        }
    }
}

impl Quirks {
    /// Those that every server of a shape has.
    pub fn of(shape: Shape) -> Self {
        match shape {
            Shape::Plain => Self::default(),
            Shape::Epic => Self {
                needs_token: true,
                refresh: Refresh::Rotate,
                needs_category: vec!["Observation".to_owned(), "CarePlan".to_owned()],
                needs_intent: true,
                last_updated: Some("_lastupdated".to_owned()),
                everything: false,
                includes: false,
                default_count: 100,
                expires_with_code: true,
                warns_when_empty: true,
                refused_types: BTreeMap::from([("Claim".to_owned(), 403)]),
                writable: false,
                ..Self::default()
            },
            Shape::Oracle => Self {
                needs_token: true,
                token_lifetime_secs: 570,
                refresh: Refresh::Keep,
                refresh_interval_secs: 60,
                exclusive_dates: true,
                everything: false,
                includes: false,
                default_count: 10,
                max_count: 100,
                repeats_entries: true,
                strict_accept: true,
                strict_binary_accept: true,
                binary_scopes: true,
                writable: false,
                ..Self::default()
            },
        }
    }
}
