//! Shapes of what an account asks and is told.

use chartkey_fhir::{Issues, Kinds, RecordType, Rejected};
use chartkey_vault::{
    Id, VaultError,
    grant::Cover,
    import::Imported,
    patient::OpenPatient,
    sharing::{LinkWords, Wish},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::views::HeaderView;

/// A list, and what of it did not open.
#[derive(Serialize)]
pub struct ListView<'a> {
    /// Those that open.
    pub headers: Vec<HeaderView<'a>>,
    /// Offered by the server, and opened by none of the keys.
    pub unopened: &'a [Id],
}

/// A patient as opened.
#[derive(Serialize)]
pub struct PatientView {
    patient: Id,
    manager: bool,
    generation: u32,
    grants_version: u64,
    unadopted: u64,
    managers: Vec<Id>,
    grants: Vec<GrantView>,
}

/// A grant as the verified chain tells of it.
#[derive(Serialize)]
struct GrantView {
    id: Id,
    holder_kind: chartkey_vault::statement::HolderKind,
    types: Vec<RecordType>,
    kinds: Kinds,
    records: Option<Vec<Id>>,
    write_types: Vec<RecordType>,
    may_download: bool,
    may_reshare: bool,
    purpose: String,
    valid_from: Timestamp,
    expires_at: Timestamp,
    ended: bool,
}

impl PatientView {
    /// Of a patient at a time.
    pub fn new(open: &OpenPatient, now: Timestamp) -> Self {
        let grants = open.chain.grants().map(|g| GrantView {
            id: g.terms.grant,
            holder_kind: g.terms.holder_kind,
            types: g.terms.types.clone(),
            kinds: g.terms.kinds,
            records: g.terms.records.clone(),
            write_types: g.terms.write_types.clone(),
            may_download: g.terms.may_download,
            may_reshare: g.terms.may_reshare,
            purpose: g.terms.purpose.clone(),
            valid_from: g.terms.valid_from,
            expires_at: g.terms.expires_at,
            ended: g.is_ended(now),
        });
        Self {
            patient: open.keys.patient(),
            manager: open.manager.is_some(),
            generation: open.chain.generation(),
            grants_version: open.grants_version,
            unadopted: open.manager.as_ref().map_or(0, |m| m.unadopted),
            managers: open.chain.managers().iter().map(|m| m.account).collect(),
            grants: grants.collect(),
        }
    }
}

/// What an import did.
#[derive(Serialize)]
pub struct ImportView<'a> {
    created: u64,
    updated: u64,
    unchanged: u64,
    written: Vec<Id>,
    rejected: Vec<RejectedView<'a>>,
    odd: Vec<OddView<'a>>,
    odd_count: usize,
}

#[derive(Serialize)]
struct RejectedView<'a> {
    index: usize,
    code: &'a str,
    reason: &'a str,
}

/// Something odd in what was taken.
#[derive(Serialize)]
struct OddView<'a> {
    index: Option<usize>,
    code: &'a str,
    pointer: &'a str,
}

/// Oddities that are told one by one.
const MAX_ODD: usize = 100;

impl<'a> ImportView<'a> {
    /// Of what was done, and what was refused or odd before.
    pub fn new(done: Imported, rejected: &'a [Rejected], issues: &'a Issues) -> Self {
        Self {
            created: done.created,
            updated: done.updated,
            unchanged: done.unchanged,
            written: done.written,
            rejected: rejected
                .iter()
                .map(|rejected| RejectedView {
                    index: rejected.index,
                    code: rejected.code,
                    reason: &rejected.reason,
                })
                .collect(),
            odd: issues
                .listed()
                .iter()
                .take(MAX_ODD)
                .map(|issue| OddView {
                    index: issue.index,
                    code: issue.code,
                    pointer: &issue.pointer,
                })
                .collect(),
            odd_count: issues.listed().len() + issues.unlisted(),
        }
    }
}

/// A text or a file to add.
#[derive(Deserialize)]
#[serde(default)]
pub struct NewView {
    /// Its title; else its first line or name.
    pub title: Option<String>,
    /// A FHIR date.
    pub date: Option<String>,
    /// Where it belongs.
    pub record_type: RecordType,
    /// Kinds of sensitivity.
    pub kinds: Kinds,
    /// Of a file.
    pub file_name: Option<String>,
    /// Of a file.
    pub content_type: Option<String>,
    /// The author's name as they give it.
    pub author_name: Option<String>,
}

impl Default for NewView {
    fn default() -> Self {
        Self {
            title: None,
            date: None,
            record_type: RecordType::Documents,
            kinds: Kinds::EMPTY,
            file_name: None,
            content_type: None,
            author_name: None,
        }
    }
}

/// Terms of a grant or a link.
#[derive(Deserialize)]
pub struct TermsView {
    types: Vec<RecordType>,
    #[serde(default)]
    kinds: Kinds,
    #[serde(default)]
    records: Option<Vec<Id>>,
    #[serde(default)]
    write_types: Vec<RecordType>,
    #[serde(default)]
    valid_from: Option<Timestamp>,
    expires_at: Timestamp,
    /// A code of HL7 PurposeOfUse.
    purpose: String,
    #[serde(default)]
    may_download: bool,
    #[serde(default)]
    may_reshare: bool,
    /// Names and words, seen by whoever is granted.
    cover: Cover,
}

impl TermsView {
    /// What is wished for.
    ///
    /// # Errors
    /// Where the purpose is no code: free words go into the cover, where the
    /// server does not see them.
    pub fn wish(self) -> Result<Wish, VaultError> {
        let coded = self.purpose.len() <= 16
            && !self.purpose.is_empty()
            && self.purpose.bytes().all(|b| b.is_ascii_uppercase());
        if !coded {
            return Err(VaultError::Input(
                "a purpose is a code; words go into the cover",
            ));
        }
        Ok(Wish {
            types: self.types,
            kinds: self.kinds,
            records: self.records,
            write_types: self.write_types,
            valid_from: self.valid_from,
            expires_at: self.expires_at,
            purpose: self.purpose,
            may_download: self.may_download,
            may_reshare: self.may_reshare,
            cover: self.cover,
        })
    }
}

/// A record to pass on.
#[derive(Deserialize)]
pub struct PassingView {
    /// Till when.
    pub expires_at: Timestamp,
    /// Names and words, seen by whoever gets it.
    pub cover: Cover,
}

/// A link to make.
#[derive(Deserialize)]
pub struct NewLinkView {
    /// Its terms.
    pub terms: TermsView,
    /// What the server is told besides: `recipientName`, `sendEmail`, ….
    #[serde(default)]
    pub words: LinkWords,
    /// Where our viewer is: scheme and host.
    pub app_url: String,
}

/// A link that was made.
#[derive(Serialize)]
pub struct MadeLinkView<'a> {
    /// Its grant.
    pub grant: Id,
    /// With the key in its fragment.
    pub url: &'a str,
    /// For other viewers, where they may have it.
    pub shlink: Option<&'a str>,
    /// The server's RecordShare.
    pub share: serde_json::Value,
}

/// The cover of a grant.
#[derive(Serialize)]
pub struct CoverView {
    /// Which.
    pub grant: Id,
    /// Names and words.
    #[serde(flatten)]
    pub cover: Cover,
}

/// An account's keys.
#[derive(Serialize)]
pub struct FingerprintView {
    /// Whose.
    pub account: Id,
    /// Sixty-four hexadecimal digits.
    pub fingerprint: String,
    /// Whether its keys were never met before.
    pub is_new: bool,
}
