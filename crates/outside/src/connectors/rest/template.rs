//! Placeholders and what they become: in paths one segment or one value each,
//! whatever they are made of; in JSON always text. It must not know who sends what.

use chartkey_domain::connections::{ClientMatch, ConnectorResult, ErrorClass, OutgoingDocument};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::super::calls::{self, error};
use super::super::encoded::{PLACE, with_encoded};
use super::super::people::split_name;

/// Every placeholder there is.
const NAMES: [&str; 15] = [
    "client",
    "document",
    "name",
    "first_name",
    "last_name",
    "email",
    "birth_date",
    "patient",
    "marker",
    "key",
    "title",
    "file_name",
    "content_type",
    "record_type",
    "date",
];
/// Deeper descriptions are refused.
const MAX_DEPTH: usize = 16;

/// What placeholders become. Those that are not known become nothing.
#[derive(Default)]
pub(super) struct Values<'a> {
    known: Vec<(&'static str, Zeroizing<String>)>,
    document: Option<&'a OutgoingDocument>,
}

impl<'a> Values<'a> {
    /// A person's.
    pub(super) fn of_person(who: &ClientMatch) -> Self {
        let mut values = Self::default();
        let (first, last) = split_name(&who.name);
        values.set("name", who.name.trim());
        values.set("first_name", &first);
        values.set("last_name", &last);
        for (name, text) in [("email", &who.email), ("birth_date", &who.birth_date)] {
            if let Some(text) = text {
                values.set(name, text.trim());
            }
        }
        if let Some(patient) = who.patient {
            values.set("patient", &patient.to_string());
        }
        values
    }

    /// A document's.
    pub(super) fn of_document(document: &'a OutgoingDocument) -> Self {
        let mut values = Self {
            document: Some(document),
            ..Self::default()
        };
        values.set("title", document.title.trim());
        values.set("file_name", &document.file_name);
        values.set("content_type", &document.content_type);
        values.set("record_type", &document.record_type);
        if let Some(date) = &document.date {
            values.set("date", date);
        }
        values
    }

    /// One more.
    pub(super) fn set(&mut self, name: &'static str, text: &str) {
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        self.known.push((name, Zeroizing::new(plain.collect())));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.known
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| text.as_str())
    }

    /// Text with its placeholders filled.
    ///
    /// # Errors
    /// [`ErrorClass::Invalid`] for a placeholder that is none.
    fn fill(&self, template: &str) -> ConnectorResult<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::with_capacity(template.len() + 256));
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (name, after) = after
                .split_once('}')
                .filter(|(name, _)| NAMES.contains(name))
                .ok_or_else(|| error(ErrorClass::Invalid))?;
            text.push_str(self.get(name).unwrap_or_default());
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// The URL of a path below a base. Paths are written without escapes.
    ///
    /// # Errors
    /// [`ErrorClass::Invalid`] for a segment that is empty or leads elsewhere,
    /// [`ErrorClass::Address`] for a base that is none.
    pub(super) fn fill_url(&self, base: &str, template: &str) -> ConnectorResult<Url> {
        let (path, query) = match template.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (template, None),
        };
        let path = path
            .strip_prefix('/')
            .ok_or_else(|| error(ErrorClass::Invalid))?;
        let segments = path
            .split('/')
            .map(|segment| self.fill(segment))
            .collect::<ConnectorResult<Vec<_>>>()?;
        let segments: Vec<&str> = segments.iter().map(|segment| segment.as_str()).collect();
        let mut url = calls::url_below(base, &segments)?;
        if let Some(query) = query {
            let mut pairs = url.query_pairs_mut();
            for pair in query.split('&') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                pairs.append_pair(name, &self.fill(value)?);
            }
        }
        Ok(url)
    }

    /// The fields of a form. Those that become nothing are left out.
    ///
    /// # Errors
    /// As [`Self::fill`]; and for fields that are lists or objects.
    pub(super) fn fill_fields(
        &self,
        fields: &Map<String, Value>,
    ) -> ConnectorResult<Vec<(String, Zeroizing<String>)>> {
        let mut filled = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let text = match value {
                Value::String(template) => self.fill(template)?,
                Value::Number(_) | Value::Bool(_) => Zeroizing::new(value.to_string()),
                Value::Null => continue,
                Value::Array(_) | Value::Object(_) => return Err(error(ErrorClass::Invalid)),
            };
            if !text.is_empty() {
                filled.push((name.clone(), text));
            }
        }
        Ok(filled)
    }

    fn fill_json(&self, value: &Value, depth: usize) -> ConnectorResult<Value> {
        if depth > MAX_DEPTH {
            return Err(error(ErrorClass::Invalid));
        }
        Ok(match value {
            Value::String(template) if template == "{base64}" => match self.document {
                Some(_) => Value::from(PLACE),
                None => return Err(error(ErrorClass::Invalid)),
            },
            Value::String(template) => {
                let text = self.fill(template)?;
                // A value that is not known is not an empty text.
                if text.is_empty() && !template.is_empty() {
                    Value::Null
                } else {
                    Value::from(text.as_str())
                }
            }
            Value::Array(values) => Value::Array(
                values
                    .iter()
                    .map(|value| self.fill_json(value, depth + 1))
                    .collect::<ConnectorResult<_>>()?,
            ),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.fill_json(value, depth + 1)?)))
                    .collect::<ConnectorResult<_>>()?,
            ),
            other => other.clone(),
        })
    }
}

/// JSON with its placeholders filled, and the document encoded where `{base64}`
/// stands: straight into a buffer that is wiped.
///
/// # Errors
/// [`ErrorClass::Invalid`] for a description that cannot be filled, or has no
/// single place for the document.
pub(super) fn json_with_file(
    fields: &Map<String, Value>,
    values: &Values<'_>,
    document: Option<&OutgoingDocument>,
) -> ConnectorResult<Zeroizing<Vec<u8>>> {
    let filled = fields
        .iter()
        .map(|(name, value)| Ok((name.clone(), values.fill_json(value, 0)?)))
        .collect::<ConnectorResult<Map<_, _>>>()?;
    let filled = Value::Object(filled);
    match document {
        Some(document) => with_encoded(&filled, &document.bytes),
        None => Ok(Zeroizing::new(filled.to_string().into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> OutgoingDocument {
        OutgoingDocument {
            title: Zeroizing::new("A \"letter\" {title}\u{1}file\u{1}".into()),
            file_name: Zeroizing::new("letter.pdf".into()),
            content_type: "application/pdf".into(),
            record_type: "letter".into(),
            date: None,
            bytes: Zeroizing::new(b"%PDF".to_vec()),
        }
    }

    #[test]
    fn a_value_stays_one_segment_or_one_parameter_whatever_it_is() {
        let mut values = Values::default();
        let check = |values: &Values<'_>, expected: Option<&str>| {
            let url = values.fill_url("https://a.example/v1", "/c/{client}/d?q={marker}&n=1");
            assert_eq!(url.ok().as_ref().map(Url::as_str), expected);
        };
        check(&values, None);
        values.set("client", "7?x#y %2e");
        check(&values, None);
        values = Values::default();
        values.set("client", "7?x#y%2e");
        values.set("marker", "a&b=c");
        check(
            &values,
            Some("https://a.example/v1/c/7%3Fx%23y%252e/d?q=a%26b%3Dc&n=1"),
        );
        for hostile in ["", ".", "..", "a/b", "a\\b"] {
            let mut values = Values::default();
            values.set("client", hostile);
            check(&values, None);
        }
    }

    #[test]
    fn the_document_is_encoded_in_its_one_place_and_nowhere_else() {
        let document = document();
        let values = Values::of_document(&document);
        let fields = json!({
            "title": "{title}", "when": "{date}", "n": 1, "in": { "file": "{base64}" },
        });
        let body = json_with_file(fields.as_object().unwrap(), &values, Some(&document)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({
            "title": "A \"letter\" {title} file ", "when": null, "n": 1,
            "in": { "file": "JVBERg==" },
        });
        assert_eq!(body, expected);
        for fields in [
            json!({}),
            json!({ "a": "{base64}", "b": "{base64}" }),
            json!({ "a": "{base64}", "b": "{nobody}" }),
            json!({ "a": "{base64}", "b": "{title" }),
        ] {
            let fields = fields.as_object().unwrap();
            assert!(json_with_file(fields, &values, Some(&document)).is_err());
        }
    }

    #[test]
    fn forms_leave_out_what_is_not_known() {
        let document = document();
        let values = Values::of_document(&document);
        let fields = json!({ "date": "{date}", "type": "{record_type}", "private": true });
        let fields = values.fill_fields(fields.as_object().unwrap()).unwrap();
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(fields, [("private", "true"), ("type", "letter")]);
    }
}
