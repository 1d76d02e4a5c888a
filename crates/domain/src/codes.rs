//! Every word that an error body may carry as `code`, with its HTTP status and
//! what it means. Clients may rely on these; a word once given keeps its meaning.
//!
//! The words themselves are said where the errors are; tests hold both together.

/// A word, its status, its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The dotted word.
    pub code: &'static str,
    /// The HTTP status that it comes with.
    pub status: u16,
    /// What it means, in a sentence without its stop: the `title` of a problem
    /// document (RFC 9457 §3.1.3).
    pub title: &'static str,
}

const fn code(code: &'static str, status: u16, title: &'static str) -> Code {
    Code {
        code,
        status,
        title,
    }
}

/// The entry of a word.
pub fn lookup(word: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == word)
}

/// Every word, alphabetically.
pub const CODES: &[Code] = &[
    code(
        "accept.unknown",
        406,
        "None of the formats asked for is offered",
    ),
    code("account.birth_date", 422, "Not a possible date of birth"),
    code("account.disabled", 403, "This account is disabled"),
    code("account.email", 422, "Not an e-mail address"),
    code("account.exists", 409, "An account with this id exists"),
    code("account.forbidden", 403, "Not permitted to this account"),
    code("account.name", 422, "Not a name"),
    code("account.phone", 422, "Not a telephone number"),
    code(
        "account.registration_closed",
        403,
        "Registration is not open",
    ),
    code("account.token_unknown", 410, "This link is no longer good"),
    code("account.unknown", 404, "No such account"),
    code(
        "account.unverified",
        403,
        "Verify your e-mail address first",
    ),
    code(
        "audit.malformed",
        500,
        "An entry of the trail cannot be read",
    ),
    code("audit.size_unknown", 422, "The trail has no such size"),
    code("audit.unknown", 404, "No such entry of the trail"),
    code(
        "blob.busy",
        409,
        "This blob is being written by somebody else",
    ),
    code("blob.chunk", 422, "A chunk is too large or empty"),
    code("blob.exists", 409, "This blob is complete already"),
    code("blob.full", 507, "There is no room for this blob"),
    code("blob.not_found", 404, "No such blob"),
    code(
        "blob.offset",
        409,
        "The chunk does not begin where the last one ended",
    ),
    code("blob.range", 416, "No such part of this blob"),
    code(
        "blob.unavailable",
        503,
        "The store of blobs cannot be reached",
    ),
    code("body.invalid", 422, "Well-formed, but not valid"),
    code("body.malformed", 400, "Not well-formed"),
    code("body.media_type", 415, "Not a media type that this takes"),
    code("body.timeout", 408, "The body took too long to arrive"),
    code("body.too_large", 413, "Too large"),
    code(
        "chart.birth_date",
        422,
        "The day of birth is not the one that the practice knows",
    ),
    code("chart.claimed", 403, "This chart belongs to its patient"),
    code(
        "chart.invitation_unknown",
        410,
        "This invitation is no longer good",
    ),
    code("chart.too_many", 409, "Too many unclaimed charts"),
    code("chart.unclaimed", 409, "Nobody has claimed this chart"),
    code("claim.state", 409, "This claim was answered, or not yet"),
    code("claim.unknown", 404, "No such claim"),
    code(
        "client.side",
        406,
        "Only a client that can open the records can do this",
    ),
    code(
        "compartment.malformed",
        422,
        "Not the name of a compartment",
    ),
    code(
        "compartment.moved",
        409,
        "Who may read has changed meanwhile; seal again",
    ),
    code(
        "connection.address",
        422,
        "This address may not be called from here",
    ),
    code(
        "connection.ambiguous",
        409,
        "Several at the other system could be meant",
    ),
    code(
        "connection.auth",
        422,
        "The other system refused the sign-in",
    ),
    code(
        "connection.broken",
        502,
        "The other system's answer could not be understood",
    ),
    code(
        "connection.conflict",
        409,
        "It changed at the other system meanwhile",
    ),
    code(
        "connection.expired",
        409,
        "The list at the other system changed meanwhile",
    ),
    code(
        "connection.forbidden",
        422,
        "The other system does not let us do this",
    ),
    code(
        "connection.invalid",
        422,
        "The other system does not take this",
    ),
    code(
        "connection.kind",
        422,
        "This kind of system cannot be used in this direction",
    ),
    code(
        "connection.needs_authorization",
        422,
        "Record who authorised this first",
    ),
    code(
        "connection.not_attached",
        404,
        "This patient is not on this connection",
    ),
    code(
        "connection.not_found",
        422,
        "The other system knows no such thing",
    ),
    code(
        "connection.rate_limited",
        429,
        "The other system asks us to slow down",
    ),
    code(
        "connection.statement",
        422,
        "A destination needs a signed statement of who attached it",
    ),
    code(
        "connection.timeout",
        504,
        "The other system did not answer in time",
    ),
    code(
        "connection.too_large",
        422,
        "Larger than the other system takes",
    ),
    code(
        "connection.transient",
        502,
        "The other system cannot be reached",
    ),
    code("connection.unknown", 404, "No such connection"),
    code(
        "connection.unsupported",
        422,
        "The other system cannot do this",
    ),
    code("cursor.malformed", 400, "Not a cursor of this list"),
    code(
        "delivery.state",
        409,
        "This delivery is not waiting for that",
    ),
    code("delivery.unknown", 404, "No such delivery"),
    code(
        "document.not_source",
        403,
        "Only whoever wrote a document changes it",
    ),
    code(
        "document_request.closed",
        410,
        "This request takes no more documents",
    ),
    code("document_request.file", 422, "This file cannot be taken"),
    code(
        "document_request.full",
        413,
        "This request has as many documents as it takes",
    ),
    code(
        "document_request.message",
        422,
        "The message is empty or too long",
    ),
    code(
        "document_request.too_many",
        409,
        "As many requests wait with this patient as may",
    ),
    code("document_request.unknown", 404, "No such request"),
    code("export.not_offered", 422, "This format is not offered"),
    code("grant.empty", 422, "Choose what is shared"),
    code("grant.ended", 403, "The grant has ended"),
    code(
        "grant.expiry_far",
        422,
        "The expiry must lie at most 365 days ahead",
    ),
    code(
        "grant.expiry_malformed",
        422,
        "The expiry is neither a date nor a time",
    ),
    code(
        "grant.expiry_past",
        422,
        "The expiry must lie at least one second ahead",
    ),
    code("grant.holder_unknown", 404, "No such account to grant to"),
    code("grant.no_download", 403, "The grant does not let download"),
    code("grant.no_write", 403, "The grant does not let write this"),
    code(
        "grant.nothing_to_take",
        422,
        "Nothing can be read that could be taken along",
    ),
    code("grant.period_empty", 422, "It must begin before it ends"),
    code("grant.scheduled", 403, "The grant has not begun"),
    code(
        "grant.stale",
        409,
        "Some of what would be shared needs a new epoch first",
    ),
    code("grant.suspended", 403, "The grant is suspended"),
    code("grant.too_many_records", 422, "Too many single records"),
    code(
        "grant.unadopted",
        409,
        "Some of what would be shared must be adopted first",
    ),
    code("grant.unknown", 404, "No such grant"),
    code("id.malformed", 422, "Not an id"),
    code(
        "idempotency.busy",
        409,
        "The same request is being answered",
    ),
    code(
        "idempotency.reused",
        422,
        "This Idempotency-Key came with another request",
    ),
    code("kind.unknown", 422, "Not a kind of sensitivity"),
    code(
        "log.unknown",
        404,
        "No such entry of the synchronization log",
    ),
    code(
        "password.params",
        422,
        "These password parameters are too weak",
    ),
    code("password.too_common", 422, "This password is well known"),
    code("password.too_long", 422, "The password is too long"),
    code("password.too_short", 422, "The password is too short"),
    code("patient.ambiguous", 422, "Say which patient is meant"),
    code(
        "patient.assisted_off",
        403,
        "The patient allows no opening on the server",
    ),
    code("patient.exists", 409, "A patient with this id exists"),
    code(
        "patient.managers_only",
        403,
        "Only whoever manages this record may do this",
    ),
    code("patient.too_many", 422, "Too many patients or managers"),
    code("patient.unknown", 404, "No such patient"),
    code(
        "provider.license_country",
        422,
        "Not the country of a licence",
    ),
    code("provider.license_number", 422, "Not a licence number"),
    code(
        "provider.organization",
        422,
        "Not the name of an organisation",
    ),
    code("provider.suspended", 403, "This provider is suspended"),
    code("provider.type", 422, "Not a type of provider"),
    code(
        "provider.unverified",
        403,
        "An administrator must verify this provider first",
    ),
    code(
        "quota.grants",
        409,
        "As many grants and links live as may; end some first",
    ),
    code(
        "quota.requests",
        409,
        "As many requests wait for an answer as may",
    ),
    code(
        "quota.statements",
        409,
        "The record has changed hands as often as it may",
    ),
    code(
        "quota.uploads",
        409,
        "As many uploads are under way as may; finish some first",
    ),
    code("record.exists", 409, "A record with this id exists"),
    code(
        "record.not_next",
        409,
        "Not the next version of this record",
    ),
    code("record.too_many", 413, "Too many records in one write"),
    code("record.unknown", 404, "No such record"),
    code("record.unopenable", 422, "This record does not open"),
    code(
        "record.unverified",
        422,
        "This record was not written by whom it names",
    ),
    code(
        "record.version_mismatch",
        412,
        "The record has another version by now",
    ),
    code(
        "record.version_missing",
        428,
        "Say with If-Match which version is changed",
    ),
    code("record_type.unknown", 422, "Not a record type"),
    code(
        "recovery.checksum",
        422,
        "The recovery code has a mistake in it",
    ),
    code("recovery.malformed", 422, "Not a recovery code"),
    code(
        "recovery.refused",
        401,
        "E-mail address or recovery code is wrong",
    ),
    code(
        "request.closed",
        409,
        "This request has been answered, or is too old",
    ),
    code("request.limited", 429, "Too often; try again later"),
    code("request.message", 422, "The message cannot be sent"),
    code(
        "request.too_many",
        409,
        "Wait for an answer to what you asked before",
    ),
    code("request.unknown", 404, "No such request"),
    code(
        "request.wider",
        422,
        "An answer may give less than was asked, not more",
    ),
    code("route.method", 405, "Not a method of this path"),
    code("route.unknown", 404, "No such path"),
    code("server.internal", 500, "Something is wrong here"),
    code("server.unavailable", 503, "Not available for the moment"),
    code("session.ended", 401, "The session has ended"),
    code("session.expired", 401, "The access token has expired"),
    code("session.invalid", 401, "The access token is not valid"),
    code("session.missing", 401, "Sign in first"),
    code(
        "session.refused",
        401,
        "E-mail address or password is wrong",
    ),
    code(
        "session.reused",
        401,
        "This refresh token was used before; sign in again",
    ),
    code("session.stepup", 403, "Show again who you are"),
    code("session.unknown", 404, "No such session"),
    code("share.expired", 410, "The link has expired"),
    code("share.key", 401, "The link's key is missing or wrong"),
    code("share.max_accesses", 422, "Not a number of accesses"),
    code("share.message", 422, "The message cannot be sent"),
    code(
        "share.needs_sender",
        409,
        "The link has to be sent again by its sender",
    ),
    code("share.passcode", 401, "A passcode is needed"),
    code(
        "share.passcode_malformed",
        422,
        "A passcode has 4 to 64 characters",
    ),
    code("share.recipient_name", 422, "Not the name of a recipient"),
    code("share.recipients", 422, "Name 1 to 50 recipients"),
    code("share.revoked", 410, "The link was revoked"),
    code("share.scheduled", 403, "The link does not open yet"),
    code(
        "share.single_file",
        422,
        "A single-file link has no passcode and no limit of accesses",
    ),
    code("share.unknown", 404, "No such link"),
    code(
        "statement.invalid",
        422,
        "The statement does not hold, or says something else",
    ),
    code(
        "statement.moved",
        409,
        "Something else was signed meanwhile; sign again",
    ),
    code("sync.too_many", 422, "Too many at once"),
    code("sync.unknown", 404, "No such synchronization"),
    code(
        "text.control",
        422,
        "Control characters are not allowed here",
    ),
    code("text.empty", 422, "Must not be empty"),
    code("text.too_long", 422, "Too long"),
    code(
        "vault.locked",
        423,
        "This session holds no key; open in the client",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::AccountError;
    use crate::charts::ChartError;
    use crate::document_requests::DocumentRequestError;
    use crate::grants::GrantError;
    use crate::patients::PatientError;
    use crate::policy::Refusal;
    use crate::records::RecordError;
    use crate::requests::RequestError;
    use crate::sessions::SessionError;
    use crate::shares::ShareError;
    use crate::sync::SyncError;
    use crate::text::TextError;
    use crate::trail::TrailError;

    #[test]
    fn words_are_in_order_and_each_is_said_once() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
    }

    #[test]
    fn every_error_of_this_crate_is_listed() {
        let mut said: Vec<&str> = Vec::new();
        said.extend(AccountError::ALL.map(AccountError::code));
        said.extend(ChartError::ALL.map(ChartError::code));
        said.extend(DocumentRequestError::ALL.map(DocumentRequestError::code));
        said.extend(GrantError::ALL.map(GrantError::code));
        said.extend(PatientError::ALL.map(PatientError::code));
        said.extend(RecordError::ALL.map(RecordError::code));
        said.extend(RequestError::ALL.map(RequestError::code));
        said.extend(SessionError::ALL.map(SessionError::code));
        said.extend(ShareError::ALL.map(ShareError::code));
        said.extend(SyncError::ALL.map(SyncError::code));
        said.extend(TextError::ALL.map(TextError::code));
        said.extend(TrailError::ALL.map(TrailError::code));
        said.push(chartkey_fhir::UnknownRecordType.code());
        said.push(chartkey_fhir::UnknownKind.code());
        said.push(chartkey_fhir::ParseCompartmentError.code());
        said.push(crate::ids::ParseIdError.code());
        for word in said {
            assert!(lookup(word).is_some(), "{word} is not listed");
        }
    }

    #[test]
    fn every_refusal_is_listed_with_its_status() {
        for refusal in Refusal::ALL {
            let listed = lookup(refusal.code()).map(|code| code.status);
            assert_eq!(listed, Some(refusal.status()), "{}", refusal.code());
        }
    }

    #[test]
    fn no_meaning_ends_in_a_stop() {
        for code in CODES {
            assert!(!code.title.ends_with('.'), "{}", code.code);
            assert!((400..600).contains(&code.status), "{}", code.code);
        }
    }
}
