//! The three steps of a document into Cliniko, and the tokens between them.
//!
//! `upload:<address>` says that the file waits at its temporary address;
//! `attachment:<id>` that the attachment is made and Cliniko takes the file in.
//! Neither holds content, nor the signed permission to upload: that is asked for
//! and used within one step, and never kept.

use super::MAX_ANSWER_LEN;
use super::{
    Account, Calls, ConnectorError, ConnectorResult, DedupeKey, Effect, ErrorClass, Method,
    OutgoingDocument, PutState, RemoteClient, Url, Value, Zeroizing, calls, description, error,
    form, json, marker, unreadable,
};
use crate::http::HttpAnswer;

const UPLOADED: &str = "upload:";
const ATTACHED: &str = "attachment:";
/// More fields than any signed upload has.
const MAX_FIELDS: usize = 40;

impl Account<'_> {
    /// The first step, or the one that the token leads to.
    pub(super) async fn put_document(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        resume: Option<&str>,
    ) -> ConnectorResult<PutState> {
        match resume {
            None => self.upload(client, document).await,
            Some(token) => self.go_on(client, document, key, token).await,
        }
    }

    /// The first step: permission, and the file.
    async fn upload(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
    ) -> ConnectorResult<PutState> {
        let permission = self.url(&["patients", &client.id, "attachment_presigned_post"])?;
        let permission = self.get(&permission, MAX_ANSWER_LEN).await?;
        let (store, fields) = signed(&permission)?;
        let form = form(&fields, "file", document);
        // The store is Cliniko's, not the connection's: no key goes there.
        let request = self
            .calls
            .request(Method::POST, &store)?
            .header("content-type", form.content_type);
        let request = self.calls.carry(request, form.body);
        // Nothing is in the chart yet, so a lost answer costs one more upload.
        let answer = self
            .calls
            .send(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        if !answer.status.is_success() {
            return Err(store_refusal(self.calls, &answer));
        }
        let key = stored_key(&answer, &fields, document)?;
        let address = format!("{}/{key}", store.as_str().trim_end_matches('/'));
        Ok(PutState::Pending(format!("{UPLOADED}{address}")))
    }

    /// The steps after the first.
    async fn go_on(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        token: &str,
    ) -> ConnectorResult<PutState> {
        if let Some(address) = token.strip_prefix(UPLOADED) {
            return self.attach(client, document, key, address).await;
        }
        if let Some(id) = token.strip_prefix(ATTACHED) {
            let url = self.url(&["patient_attachments", id])?;
            let attachment = self.get(&url, MAX_ANSWER_LEN).await?;
            return Ok(progress(id, &attachment));
        }
        // Not one of ours: the whole is begun again.
        Err(error(ErrorClass::Expired))
    }

    async fn attach(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        address: &str,
    ) -> ConnectorResult<PutState> {
        let description = description(document, &marker(key)?);
        let body = json!({
            "patient_id": client.id,
            "upload_url": address,
            "description": description.as_str(),
        });
        let made = self.create("patient_attachments", &body).await;
        let (id, attachment) = made.map_err(|refusal| {
            // The temporary place has been cleared: begin again.
            let is_gone = refusal.class == ErrorClass::Invalid
                && refusal.remote_code.as_deref() == Some("upload_url");
            ConnectorError {
                class: if is_gone {
                    ErrorClass::Expired
                } else {
                    refusal.class
                },
                ..refusal
            }
        })?;
        Ok(progress(&id, &attachment))
    }
}

/// Whether Cliniko is through with the file.
fn progress(id: &str, attachment: &Value) -> PutState {
    if attachment.get("processing_completed") == Some(&Value::Bool(true)) {
        PutState::Done(id.to_owned())
    } else {
        PutState::Pending(format!("{ATTACHED}{id}"))
    }
}

type Fields = Vec<(String, Zeroizing<String>)>;

/// Where to upload, and the fields that prove that one may: all of them, in any
/// order, before the file.
fn signed(permission: &Value) -> ConnectorResult<(Url, Fields)> {
    let broken = || unreadable(Effect::Reads);
    let store = permission
        .get("url")
        .and_then(Value::as_str)
        .and_then(|url| Url::parse(url).ok())
        .ok_or_else(broken)?;
    let fields = permission
        .get("fields")
        .and_then(Value::as_object)
        .filter(|fields| fields.contains_key("key") && fields.len() <= MAX_FIELDS)
        .ok_or_else(broken)?;
    let fields = fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().ok_or_else(broken)?;
            Ok((name.clone(), Zeroizing::new(value.to_owned())))
        })
        .collect::<ConnectorResult<_>>()?;
    Ok((store, fields))
}

/// Where the store says it put the file: `<Key>` of its XML, else what was asked
/// for, with the file's name in its place.
fn stored_key(
    answer: &HttpAnswer,
    fields: &Fields,
    document: &OutgoingDocument,
) -> ConnectorResult<String> {
    let said = element(&answer.body, "Key");
    let asked = fields
        .iter()
        .find(|(name, _)| name == "key")
        .map(|(_, key)| key.replace("${filename}", &document.file_name));
    let key = said.or(asked).ok_or_else(|| unreadable(Effect::Reads))?;
    let key = key.trim_start_matches('/').to_owned();
    if key.is_empty() || key.len() > 1024 || key.chars().any(char::is_control) {
        return Err(unreadable(Effect::Reads));
    }
    Ok(key)
}

/// The store's own refusals mean nothing about the connection's key.
fn store_refusal(calls: &Calls, answer: &HttpAnswer) -> ConnectorError {
    let code = element(&answer.body, "Code");
    let mut refusal = calls.refusal(answer, Effect::Reads);
    refusal.class = match code.as_deref() {
        Some("EntityTooLarge") => ErrorClass::TooLarge,
        // A permission that ran out is asked for anew the next time.
        _ if matches!(refusal.class, ErrorClass::Auth | ErrorClass::Forbidden) => {
            ErrorClass::Transient
        }
        _ => refusal.class,
    };
    refusal.remote_code = code.as_deref().and_then(calls::remote_code);
    refusal
}

/// The text of an XML element that holds nothing but text.
fn element(xml: &[u8], name: &str) -> Option<String> {
    let xml = std::str::from_utf8(xml).ok()?;
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}
