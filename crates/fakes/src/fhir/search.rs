//! Searches and their pages, with everything that may be wrong with them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{bare, json_answer, outcome, refuse};
use super::quirks::{NextLink, Quirks};
use super::resources::{Resources, patient_of, set};

/// Parameters in the order they were written.
pub(crate) type Params = Vec<(String, String)>;

/// A walk through a search's pages, as it was found when it began.
#[derive(Clone, Debug)]
struct Walk {
    kind: String,
    keys: Vec<(String, String)>,
    count: usize,
    served: usize,
}

/// All walks.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    next: u64,
    begun: BTreeMap<u64, Walk>,
    /// Whether a walk has expired already: it happens once.
    expired: bool,
}

/// What a page is made of.
struct Page<'a> {
    base: &'a str,
    quirks: &'a Quirks,
    resources: &'a Resources,
}

pub(crate) fn find<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn number(params: &Params, name: &str) -> Option<usize> {
    find(params, name)?.parse().ok()
}

/// The first page of a search of `kind`.
pub(crate) fn search(
    walks: &mut Walks,
    resources: &Resources,
    quirks: &Quirks,
    base: &str,
    kind: &str,
    params: &Params,
) -> Response {
    if let Some(refusal) = refused(quirks, kind, params) {
        return refusal;
    }
    let mut keys: Vec<(String, String)> = resources
        .all(kind)
        .filter(|(id, held)| {
            matches(quirks, params, id, &held.value) && is_new(quirks, params, held.updated)
        })
        .map(|(id, _)| (kind.to_owned(), id.to_owned()))
        .collect();
    let masked = |(kind, id): &(String, String)| {
        let held = resources.get(kind, id);
        held.is_some_and(|held| held.value.get("status").is_none())
    };
    if quirks.fails_without_status && keys.iter().any(masked) {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "exception", None);
    }
    let capped = quirks.result_cap.is_some_and(|cap| keys.len() > cap);
    if let Some(cap) = quirks.result_cap {
        keys.truncate(cap);
    }
    let count = number(params, "_count").unwrap_or(quirks.default_count);
    walks.next += 1;
    let walk = Walk {
        kind: kind.to_owned(),
        keys,
        count: count.clamp(1, quirks.max_count.max(1)),
        served: 0,
    };
    walks.begun.insert(walks.next, walk);
    let include =
        quirks.includes && find(params, "_include") == Some("MedicationRequest:medication");
    let token = (walks.next, 0);
    let page = Page {
        base,
        quirks,
        resources,
    };
    page.answer(walks, token, include, capped)
}

/// `Patient/{id}/$everything`.
pub(crate) fn everything(
    walks: &mut Walks,
    resources: &Resources,
    quirks: &Quirks,
    base: &str,
    patient: &str,
    params: &Params,
) -> Response {
    let since = find(params, "_since").and_then(|text| text.parse::<Timestamp>().ok());
    let mut keys = Vec::new();
    for kind in resources.types() {
        for (id, held) in resources.all(kind) {
            let whose =
                patient_of(&held.value) == Some(patient) || (kind, id) == ("Patient", patient);
            if whose && since.is_none_or(|since| held.updated >= since) {
                keys.push((kind.to_owned(), id.to_owned()));
            }
        }
    }
    let count = number(params, "_count").unwrap_or(quirks.default_count);
    walks.next += 1;
    let walk = Walk {
        kind: "Patient".to_owned(),
        keys,
        count: count.clamp(1, quirks.max_count.max(1)),
        served: 0,
    };
    walks.begun.insert(walks.next, walk);
    let token = (walks.next, 0);
    let page = Page {
        base,
        quirks,
        resources,
    };
    page.answer(walks, token, false, false)
}

/// A further page: `token` is what stands in the link.
pub(crate) fn next_page(
    walks: &mut Walks,
    resources: &Resources,
    quirks: &Quirks,
    base: &str,
    token: &str,
) -> Response {
    let token = token.split('~').next().unwrap_or_default();
    let parsed = token
        .split_once('.')
        .and_then(|(walk, offset)| Some((walk.parse().ok()?, offset.parse().ok()?)));
    let Some((number, offset)) = parsed else {
        return refuse(StatusCode::BAD_REQUEST, "invalid", None);
    };
    let Some(walk) = walks.begun.get_mut(&number) else {
        return refuse(StatusCode::GONE, "not-found", None);
    };
    walk.served += 1;
    let over = quirks
        .pages_expire_after
        .is_some_and(|pages| walk.served >= pages);
    if over && !walks.expired {
        walks.expired = true;
        return if quirks.expires_with_code {
            refuse(StatusCode::BAD_REQUEST, "processing", Some("4113"))
        } else {
            refuse(StatusCode::GONE, "not-found", None)
        };
    }
    if quirks.next_link == NextLink::Refused {
        return refuse(StatusCode::BAD_REQUEST, "invalid", None);
    }
    let page = Page {
        base,
        quirks,
        resources,
    };
    page.answer(walks, (number, offset), false, false)
}

impl Page<'_> {
    fn answer(
        &self,
        walks: &Walks,
        (number, offset): (u64, usize),
        include: bool,
        capped: bool,
    ) -> Response {
        let Some(walk) = walks.begun.get(&number) else {
            return bare(StatusCode::GONE);
        };
        let slice: Vec<_> = walk.keys.iter().skip(offset).take(walk.count).collect();
        let mut entries = Vec::new();
        if self.quirks.repeats_entries && offset > 0 {
            let last = offset.checked_sub(1).and_then(|at| walk.keys.get(at));
            entries.extend(last.and_then(|key| self.older(key)));
        }
        for (kind, id) in &slice {
            if let Some(held) = self.resources.get(kind, id) {
                entries.push(self.entry(kind, id, &held.value, "match"));
                if include {
                    entries.extend(self.medication(&held.value));
                }
            }
        }
        if self.quirks.adds_broken {
            entries.extend(broken());
        }
        if capped {
            entries.push(said("warning", "too-costly", "4127"));
        }
        if entries.is_empty() && self.quirks.warns_when_empty {
            entries.push(said("warning", "processing", "4101"));
        }
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset",
            "total": walk.keys.len(), "entry": entries,
            "link": self.links(walk, number, offset)});
        if self.quirks.padding > 0 {
            set(
                &mut bundle,
                "signature",
                json!({"data": " ".repeat(self.quirks.padding)}),
            );
        }
        json_answer(StatusCode::OK, &self.quirks.json_type, &bundle)
    }

    fn entry(&self, kind: &str, id: &str, value: &Value, mode: &str) -> Value {
        json!({"fullUrl": format!("{}/{kind}/{id}", self.base), "resource": value,
            "search": {"mode": mode}})
    }

    /// The same resource, as it was before it was changed.
    fn older(&self, (kind, id): &(String, String)) -> Option<Value> {
        let held = self.resources.get(kind, id)?;
        let mut value = held.value.clone();
        if let Some(meta) = value.get_mut("meta") {
            set(meta, "lastUpdated", json!("2001-01-01T00:00:00Z"));
        }
        Some(self.entry(kind, id, &value, "match"))
    }

    fn medication(&self, order: &Value) -> Option<Value> {
        let reference = order.pointer("/medicationReference/reference")?.as_str()?;
        let (kind, id) = reference.split_once('/')?;
        let held = self.resources.get(kind, id)?;
        Some(self.entry(kind, id, &held.value, "include"))
    }

    fn links(&self, walk: &Walk, number: u64, offset: usize) -> Vec<Value> {
        let place = |offset: usize| format!("{}/{}/_page/{number}.{offset}", self.base, walk.kind);
        let mut links = vec![json!({"relation": "self", "url": place(offset)})];
        if offset > 0 {
            let word = if self.quirks.says_prev {
                "prev"
            } else {
                "previous"
            };
            let before = offset.saturating_sub(walk.count);
            links.push(json!({"relation": word, "url": place(before)}));
        }
        let after = offset + walk.count;
        let more = after < walk.keys.len();
        let next = match &self.quirks.next_link {
            NextLink::ToItself if !more => Some(place(offset)),
            NextLink::Circle if offset > 0 => Some(place(0)),
            NextLink::Endless => Some(format!("{}~{}", place(0), after + walk.served)),
            NextLink::BeyondLast if offset < walk.keys.len() => Some(place(after)),
            NextLink::Relative if more => Some(format!("_page/{number}.{after}")),
            NextLink::NoScheme if more => place(after).split_once("//").map(|(_, url)| url.into()),
            NextLink::Foreign { origin } if more => {
                Some(format!("{origin}/{}/_page/{number}.{after}", walk.kind))
            }
            NextLink::Long { by } if more => Some(format!("{}~{}", place(after), "x".repeat(*by))),
            _ => more.then(|| place(after)),
        };
        // From within `Type/_page/n`, a relative link starts anew at `_page`.
        let next = match (&self.quirks.next_link, next) {
            (NextLink::Relative, Some(link)) if offset > 0 => Some(link.replace("_page/", "")),
            (NextLink::Relative, Some(link)) => Some(format!("{}/{link}", walk.kind)),
            (_, next) => next,
        };
        links.extend(next.map(|url| json!({"relation": "next", "url": url})));
        links
    }
}

fn said(severity: &str, code: &str, own: &str) -> Value {
    json!({"resource": outcome(severity, code, Some(own)), "search": {"mode": "outcome"}})
}

/// What some servers send among good resources.
fn broken() -> Vec<Value> {
    vec![
        json!({"resource": {"resourceType": "Observation", "id": "odd-date",
            "meta": {"lastUpdated": "yesterday"}, "effectiveDateTime": "2020-13-45",
            "valueQuantity": {"value": "high"}, "subject": "Patient/1"}}),
        json!({"resource": {"resourceType": "Observation", "status": "final"}}),
        json!({"resource": ["no", "object"]}),
        json!({"resource": {"id": "untyped"}}),
        json!({"fullUrl": "urn:uuid:0", "search": {"mode": "match"}}),
        json!({"resource": {"resourceType": "Observation", "id": "holds-others",
            "contained": [{"resourceType": "Practitioner"}],
            "performer": [{"reference": "#p"}, {"reference": "urn:uuid:1"}]}}),
    ]
}

fn refused(quirks: &Quirks, kind: &str, params: &Params) -> Option<Response> {
    if let Some(status) = quirks.refused_types.get(kind) {
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN);
        return Some(refuse(status, "forbidden", None));
    }
    if let Some(code) = quirks.policy_codes.get(kind) {
        return Some(refuse(StatusCode::FORBIDDEN, "suppressed", Some(code)));
    }
    let lacks = |name| find(params, name).is_none();
    let updated = |(name, _): &(String, String)| name.eq_ignore_ascii_case("_lastUpdated");
    let needs_category = quirks.needs_category.iter().any(|needs| needs == kind);
    let bad = (needs_category && lacks("category"))
        || (quirks.needs_intent && kind == "MedicationRequest" && lacks("intent"))
        || (kind == "Patient" && !lacks("patient"))
        || (quirks.exclusive_dates && !lacks("date") && params.iter().any(updated));
    if bad {
        return Some(refuse(StatusCode::BAD_REQUEST, "required", Some("59100")));
    }
    let (name, value) = quirks.needs_param.as_ref()?;
    (find(params, name) != Some(value)).then(|| bare(StatusCode::FORBIDDEN))
}

fn is_new(quirks: &Quirks, params: &Params, updated: Timestamp) -> bool {
    let since = quirks
        .last_updated
        .as_ref()
        .and_then(|name| find(params, name))
        .and_then(|value| value.strip_prefix("ge")?.parse::<Timestamp>().ok());
    since.is_none_or(|since| updated >= since)
}

fn matches(quirks: &Quirks, params: &Params, id: &str, value: &Value) -> bool {
    let whose = || patient_of(value);
    let codes = |field: &str| {
        let concepts = value.get(field);
        let concepts: Vec<&Value> = match concepts {
            Some(Value::Array(many)) => many.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let codings = concepts
            .into_iter()
            .filter_map(|concept| concept.get("coding")?.as_array());
        codings
            .flatten()
            .filter_map(|coding| coding.get("code")?.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let any = |wanted: &str, has: &[String]| {
        wanted
            .split(',')
            .map(|one| one.rsplit('|').next().unwrap_or(one))
            .any(|one| has.iter().any(|has| has == one))
    };
    params.iter().all(|(name, wanted)| match name.as_str() {
        "patient" | "subject" => {
            let wanted = wanted.strip_prefix("Patient/").unwrap_or(wanted);
            quirks.ignores_patient || whose() == Some(wanted)
        }
        "_id" => wanted.split(',').any(|wanted| wanted == id),
        "category" => any(wanted, &codes("category")),
        "identifier" => has_identifier(value, wanted),
        "date" => value
            .get("date")
            .or_else(|| value.get("effectiveDateTime"))
            .and_then(Value::as_str)
            .is_none_or(|date| date >= wanted.trim_start_matches("ge")),
        "birthdate" => value.get("birthDate").and_then(Value::as_str) == Some(wanted),
        "family" => value
            .pointer("/name/0/family")
            .and_then(Value::as_str)
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted)),
        "status" => value.get("status").and_then(Value::as_str) == Some(wanted),
        _ => true,
    })
}

/// Whether a resource has this identifier, written `system|value` or `value`.
pub(crate) fn has_identifier(value: &Value, wanted: &str) -> bool {
    let (system, wanted) = match wanted.rsplit_once('|') {
        Some((system, wanted)) => (Some(system), wanted),
        None => (None, wanted),
    };
    let identifiers = value.get("identifier").and_then(Value::as_array);
    identifiers.into_iter().flatten().any(|identifier| {
        let word = |name| identifier.get(name).and_then(Value::as_str);
        word("value") == Some(wanted) && system.is_none_or(|system| word("system") == Some(system))
    })
}
