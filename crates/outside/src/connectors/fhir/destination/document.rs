//! A document into a FHIR server, out of it, and found there again.

use super::{
    Bytes, Call, Carrier, ConnectorResult, DedupeKey, Effect, ErrorClass, Method, OutgoingDocument,
    PLACE, PutState, RemoteClient, Removal, Removed, STORED, Sink, StatusCode, Value, Zeroizing,
    calls, error, id_of, if_none_exist, json, made, marker, media_type, unreadable, with_encoded,
};

/// The status of what was an error, and was taken back.
const IN_ERROR: &str = "entered-in-error";
const CURRENT: &str = "current";

impl Sink<'_> {
    /// A document that stands there for this client, and was not taken back.
    pub(super) async fn find_document(
        &self,
        client: &RemoteClient,
        key: &DedupeKey,
    ) -> ConnectorResult<Option<String>> {
        let system = &self.settings.destination.document_system;
        let found = self
            .identified("DocumentReference", system, &marker(key)?)
            .await?;
        let subject = format!("Patient/{}", client.id);
        found
            .iter()
            .find(|reference| {
                let about = reference.pointer("/subject/reference");
                let about = about.and_then(Value::as_str).unwrap_or_default();
                let about_them = about == subject || about.ends_with(&format!("/{subject}"));
                about_them && !is_in_error(reference)
            })
            .map(|reference| id_of(reference.get("id")).ok_or_else(|| unreadable(Effect::Reads)))
            .transpose()
    }

    pub(super) async fn put_document(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        resume: Option<&str>,
    ) -> ConnectorResult<PutState> {
        let settings = &self.settings.destination;
        match (settings.carrier, resume) {
            (Carrier::Inline, None) => self.refer(client, document, key, None).await,
            (Carrier::Put | Carrier::Post, None) => {
                let id = self.store(client, document, key).await?;
                Ok(PutState::Pending(format!("{STORED}{id}")))
            }
            (_, Some(token)) => match token.strip_prefix(STORED) {
                Some(id) => self.refer(client, document, key, Some(id)).await,
                // Not one of ours: the whole is begun again.
                None => Err(error(ErrorClass::Expired)),
            },
        }
    }

    /// The file alone; nothing points to it yet.
    async fn store(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
    ) -> ConnectorResult<String> {
        marker(key)?;
        let own = format!("ck-{}", key.0);
        let about = format!("Patient/{}", client.id);
        let headers = [
            ("content-type", media_type(&document.content_type)),
            // Who may read the patient may read the file (FHIR R4, Binary).
            ("x-security-context", about.as_str()),
            ("prefer", "return=minimal"),
        ];
        // One copy for however many attempts.
        let body = Bytes::from_owner(document.bytes.clone());
        if self.settings.destination.carrier == Carrier::Put {
            let url = self.url(&["Binary", &own])?;
            // A second attempt replaces the first.
            let call = Call::write(Method::PUT, &url, body.clone(), Effect::Reads);
            let answer = self.send(call.with(&headers)).await?;
            match answer.status.as_u16() {
                200..=299 => return Ok(own),
                // Ids are the server's to give.
                404 | 405 | 501 => {}
                _ => return Err(self.refusal(&answer, Effect::Reads)),
            }
        }
        let url = self.url(&["Binary"])?;
        let call = Call::write(Method::POST, &url, body, Effect::Writes);
        let answer = self.succeed(call.with(&headers)).await?;
        made(&answer, "Binary")
    }

    /// The reference, on the condition that it is not there.
    async fn refer(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        binary: Option<&str>,
    ) -> ConnectorResult<PutState> {
        let marker = marker(key)?;
        let system = &self.settings.destination.document_system;
        let reference = self.reference(client, document, &marker, binary);
        let body = match binary {
            Some(_) => Zeroizing::new(reference.to_string().into_bytes()),
            None => with_encoded(&reference, &document.bytes)?,
        };
        let url = self.url(&["DocumentReference"])?;
        // One that was taken back does not stand in the way.
        let condition = if_none_exist(system, &marker, &[("status", CURRENT)]);
        let (answer, is_new) = self
            .create(&url, Bytes::from_owner(body), Some(&condition))
            .await?;
        let id = made(&answer, "DocumentReference")?;
        let there = serde_json::from_slice::<Value>(&answer.body).ok();
        match there {
            // The server looked at the identifier only: what was taken back
            // stands again, with the file of now.
            Some(there) if !is_new && is_in_error(&there) => {
                let content = reference.get("content").cloned();
                self.stand_again(&id, there, content).await?;
            }
            _ => {}
        }
        Ok(PutState::Done(id))
    }

    async fn stand_again(
        &self,
        id: &str,
        mut there: Value,
        content: Option<Value>,
    ) -> ConnectorResult<()> {
        let fields = there
            .as_object_mut()
            .ok_or_else(|| unreadable(Effect::Reads))?;
        // Inline, the file that is there is the one of this marker already.
        let by_url = content.filter(|content| content.pointer("/0/attachment/url").is_some());
        if let Some(content) = by_url {
            fields.insert("content".to_owned(), content);
        }
        fields.insert("status".to_owned(), Value::from(CURRENT));
        self.update(id, &there).await
    }

    /// Puts a reference that was read in its new form, unless it was changed
    /// meanwhile. May be repeated at will.
    async fn update(&self, id: &str, reference: &Value) -> ConnectorResult<()> {
        let version = reference
            .pointer("/meta/versionId")
            .and_then(Value::as_str)
            .map(|version| format!("W/\"{version}\""));
        let mut headers = vec![("content-type", super::FHIR_JSON)];
        headers.extend(version.as_deref().map(|version| ("if-match", version)));
        let url = self.url(&["DocumentReference", id])?;
        let body = Bytes::from_owner(Zeroizing::new(reference.to_string().into_bytes()));
        let call = Call::write(Method::PUT, &url, body, Effect::Reads);
        self.succeed(call.with(&headers)).await?;
        Ok(())
    }

    fn reference(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        marker: &str,
        binary: Option<&str>,
    ) -> Value {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect()
        };
        let mut attachment = json!({
            "contentType": media_type(&document.content_type),
            "title": plain(&document.file_name),
            "size": document.bytes.len(),
        });
        let (field, value) = match binary {
            Some(id) => ("url", format!("Binary/{id}")),
            None => ("data", PLACE.to_owned()),
        };
        if let Some(fields) = attachment.as_object_mut() {
            fields.insert(field.to_owned(), Value::from(value));
        }
        let mut reference = json!({
            "resourceType": "DocumentReference",
            "identifier": [{
                "system": self.settings.destination.document_system,
                "value": marker,
            }],
            "status": CURRENT,
            "type": {"text": plain(&document.record_type)},
            "subject": {"reference": format!("Patient/{}", client.id)},
            "date": self.calls.now().to_string(),
            "description": plain(document.title.trim()),
            "content": [{"attachment": attachment}],
        });
        let day = document.date.as_deref().filter(|day| is_date(day));
        if let (Some(day), Some(fields)) = (day, reference.as_object_mut()) {
            fields.insert("context".to_owned(), json!({"period": {"start": day}}));
        }
        reference
    }

    /// May be repeated at will: what is gone stays gone.
    pub(super) async fn remove_document(
        &self,
        _client: &RemoteClient,
        document: &str,
    ) -> ConnectorResult<Removed> {
        let url = self.url(&["DocumentReference", document])?;
        let answer = self.send(Call::get(&url)).await?;
        if is_gone(answer.status) {
            return Ok(Removed::Deleted);
        }
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, Effect::Reads));
        }
        let mut reference = calls::json(&answer, Effect::Reads)?;
        match self.settings.destination.removal {
            Removal::EnteredInError => {
                if is_in_error(&reference) {
                    return Ok(Removed::Archived);
                }
                let fields = reference
                    .as_object_mut()
                    .ok_or_else(|| unreadable(Effect::Reads))?;
                fields.insert("status".to_owned(), Value::from(IN_ERROR));
                self.update(document, &reference).await?;
                Ok(Removed::Archived)
            }
            Removal::Delete => {
                // The file first: a reference that leads nowhere can be removed
                // again, a file that nothing leads to is never found.
                let file = reference
                    .pointer("/content/0/attachment/url")
                    .and_then(Value::as_str)
                    .and_then(|url| url.strip_prefix("Binary/"));
                if let Some(file) = file {
                    self.delete(&["Binary", file]).await?;
                }
                self.delete(&["DocumentReference", document]).await?;
                Ok(Removed::Deleted)
            }
        }
    }

    async fn delete(&self, segments: &[&str]) -> ConnectorResult<()> {
        let url = self.url(segments)?;
        let call = Call {
            method: Method::DELETE,
            ..Call::get(&url)
        };
        let answer = self.send(call).await?;
        if answer.status.is_success() || is_gone(answer.status) {
            Ok(())
        } else {
            Err(self.refusal(&answer, Effect::Reads))
        }
    }
}

fn is_in_error(reference: &Value) -> bool {
    reference.get("status").and_then(Value::as_str) == Some(IN_ERROR)
}

fn is_gone(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 410)
}

/// Year, month or day, as FHIR writes them.
fn is_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    matches!(shape.as_str(), "0000" | "0000-00" | "0000-00-00")
}
