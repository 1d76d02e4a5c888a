//! Reads FHIR elements tolerantly: what has another shape than the standard's is
//! absent, and every list is bounded. Strings that leave this file are clean.

use std::collections::HashMap;

use serde_json::Value;

use super::ClinicalRecord;
use super::dates::{Moment, span};
use super::document::Origin;
use super::text;

/// How many elements of any list are read.
const MAX_LIST: usize = 400;

/// The elements at `key`: an array's, or the one that stands where an array should.
pub fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let found = value.get(key);
    let many = found.and_then(Value::as_array);
    let one = found.filter(|found| !found.is_array() && !found.is_null());
    many.into_iter().flatten().chain(one).take(MAX_LIST)
}

/// The raw string at `key`.
pub fn raw<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// The clean string at `key`.
pub fn string(value: &Value, key: &str) -> Option<String> {
    raw(value, key)
        .map(text::detail)
        .filter(|text| !text.is_empty())
}

/// The date at `key`.
pub fn moment(value: &Value, key: &str) -> Option<Moment> {
    raw(value, key).and_then(Moment::parse)
}

/// The words of a CodeableConcept, a Coding or a plain string, without semantic tag.
pub fn concept(value: &Value) -> Option<String> {
    full_name(value).map(|name| text::without_tag(&name).to_owned())
}

/// The same with its semantic tag.
pub fn full_name(value: &Value) -> Option<String> {
    let named = value
        .as_str()
        .or_else(|| raw(value, "text"))
        .or_else(|| raw(value, "display"));
    let coded = || {
        let display = list(value, "coding").find_map(|coding| raw(coding, "display"));
        display.or_else(|| list(value, "coding").find_map(|coding| raw(coding, "code")))
    };
    let name = named.or_else(coded).or_else(|| raw(value, "code"))?;
    let name = text::title(name);
    (!name.is_empty()).then_some(name)
}

/// The concept at `key`, or the first of a list of them.
pub fn concept_at(value: &Value, key: &str) -> Option<String> {
    list(value, key).find_map(concept)
}

/// All concepts at `key`, joined.
pub fn concepts_at(value: &Value, key: &str) -> Option<String> {
    joined(list(value, key).filter_map(concept))
}

/// The first code at `key`: of a CodeableConcept, a Coding or a plain code.
pub fn code_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    let found = value.get(key)?;
    let found = found
        .as_array()
        .and_then(|all| all.first())
        .unwrap_or(found);
    found
        .as_str()
        .or_else(|| list(found, "coding").find_map(|coding| raw(coding, "code")))
        .or_else(|| raw(found, "code"))
        .or_else(|| raw(found, "text"))
}

/// The status-like code at `key` as words.
pub fn status_at(value: &Value, key: &str) -> Option<String> {
    code_at(value, key).map(text::words)
}

/// What tells whether two concepts are the same: system and code, LOINC first,
/// else the text in lower case.
pub fn concept_key(value: &Value) -> Option<String> {
    let coded = |wanted: &str| {
        list(value, "coding").find_map(|coding| {
            let code = raw(coding, "code")?;
            let system = raw(coding, "system").unwrap_or_default();
            (wanted.is_empty() || system == wanted).then(|| format!("{system}|{code}"))
        })
    };
    coded("http://loinc.org")
        .or_else(|| coded(""))
        .or_else(|| full_name(value).map(|name| name.to_lowercase()))
}

/// Whether a concept has this code in any system.
pub fn has_code(value: &Value, codes: &[&str]) -> bool {
    list(value, "coding")
        .any(|coding| raw(coding, "code").is_some_and(|code| codes.contains(&code)))
}

/// Non-empty parts with commas between.
pub fn joined(parts: impl IntoIterator<Item = String>) -> Option<String> {
    join_with(parts, ", ")
}

/// Non-empty parts with `separator` between; none where nothing remains. Parts
/// that were already said are said once.
pub fn join_with(parts: impl IntoIterator<Item = String>, separator: &str) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    for part in parts {
        if !part.is_empty() && !said.contains(&part) {
            said.push(part);
        }
    }
    (!said.is_empty()).then(|| text::detail(&said.join(separator)))
}

/// The period at `key`: start and end.
pub fn period(value: &Value, key: &str) -> (Option<Moment>, Option<Moment>) {
    value.get(key).map_or((None, None), |period| {
        (moment(period, "start"), moment(period, "end"))
    })
}

/// The choice `stem[x]`: a moment, or a period's start and end.
pub fn when(value: &Value, stem: &str) -> (Option<Moment>, Option<Moment>) {
    for suffix in ["DateTime", "Instant", "Date"] {
        let found = moment(value, &format!("{stem}{suffix}"));
        if found.is_some() {
            return (found, None);
        }
    }
    period(value, &format!("{stem}Period"))
}

/// The choice `stem[x]` in words: a date, a period, an age, a range, a text.
pub fn when_text(value: &Value, stem: &str) -> Option<String> {
    let (start, end) = when(value, stem);
    span(start.as_ref(), end.as_ref())
        .or_else(|| {
            value
                .get(format!("{stem}Age"))
                .and_then(quantity)
                .map(|age| format!("age {age}"))
        })
        .or_else(|| {
            value
                .get(format!("{stem}Range"))
                .and_then(range)
                .map(|ages| format!("age {ages}"))
        })
        .or_else(|| string(value, &format!("{stem}String")))
}

/// A number as the source wrote it, without a needless `.0` and with at most four
/// decimals.
pub fn number(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return text.parse::<f64>().is_ok().then(|| text::line(text, 24));
    }
    if value.is_i64() || value.is_u64() {
        return Some(value.to_string());
    }
    value.as_f64().map(decimal)
}

/// A decimal with at most four digits behind the point, or four significant ones.
pub fn decimal(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    if value != 0.0 && (value.abs() < 0.001 || value.abs() >= 1e12) {
        return format!("{value:.3e}");
    }
    let fixed = format!("{value:.4}");
    let trimmed = fixed.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// The readable unit of a Quantity, empty where there is none.
pub fn unit(quantity: &Value) -> String {
    let unit = raw(quantity, "unit").or_else(|| raw(quantity, "code"));
    unit.map(super::units::readable).unwrap_or_default()
}

/// A Quantity without its unit: comparator and number.
pub fn magnitude(quantity: &Value) -> Option<String> {
    let number = number(quantity.get("value")?)?;
    let comparator = match raw(quantity, "comparator") {
        Some("<") => "<",
        Some("<=") => "≤",
        Some(">") => ">",
        Some(">=") => "≥",
        _ => "",
    };
    Some(format!("{comparator}{number}"))
}

/// A Quantity in words.
pub fn quantity(quantity: &Value) -> Option<String> {
    let magnitude = magnitude(quantity)?;
    Some(with_unit(&magnitude, &unit(quantity)))
}

/// A number with its unit; `%` sticks to the number.
pub fn with_unit(value: &str, unit: &str) -> String {
    match unit {
        "" => value.to_owned(),
        "%" => format!("{value}%"),
        unit => format!("{value} {unit}"),
    }
}

/// A Range in words: `3.5 – 5.1 mmol/L`, `≥ 3`, `≤ 5`.
pub fn range(range: &Value) -> Option<String> {
    let (low, high) = (range.get("low"), range.get("high"));
    let unit = low.or(high).map(unit).unwrap_or_default();
    let bounds = bounds_text(low.and_then(magnitude), high.and_then(magnitude))?;
    Some(with_unit(&bounds, &unit))
}

/// Two bounds in words.
pub fn bounds_text(low: Option<String>, high: Option<String>) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low} – {high}")),
        (Some(low), None) => Some(format!("≥ {low}")),
        (None, Some(high)) => Some(format!("≤ {high}")),
        (None, None) => None,
    }
}

/// The texts of `note` (Annotations or strings), joined.
pub fn notes(value: &Value) -> Option<String> {
    join_with(
        list(value, "note")
            .filter_map(|note| note.as_str().or_else(|| raw(note, "text")))
            .map(text::detail),
        " ",
    )
}

/// Finds what references name: contained resources, and the other records.
#[derive(Default)]
pub struct Index<'a> {
    by_id: HashMap<&'a str, &'a Value>,
}

impl<'a> Index<'a> {
    /// An index over the resources of these records.
    pub fn new(records: &'a [ClinicalRecord<'a>]) -> Self {
        let by_id = records
            .iter()
            .filter_map(|record| record.resource)
            .filter_map(|resource| Some((raw(resource, "id")?, resource)))
            .collect();
        Self { by_id }
    }

    /// The resource that `reference`, an element of `holder`, names.
    pub fn find(&self, holder: &'a Value, reference: &str) -> Option<&'a Value> {
        if let Some(local) = reference.strip_prefix('#') {
            return list(holder, "contained").find(|contained| raw(contained, "id") == Some(local));
        }
        self.by_id.get(last_segment(reference)).copied()
    }

    /// The name of whoever or whatever a Reference element names.
    pub fn name(&self, holder: &'a Value, reference: &'a Value) -> Option<String> {
        let reference = reference
            .get("reference")
            .filter(|inner| inner.is_object())
            .unwrap_or(reference);
        if let Some(display) = raw(reference, "display") {
            return Some(text::without_tag(&text::title(display)).to_owned());
        }
        let found = raw(reference, "reference").and_then(|target| self.find(holder, target));
        found.and_then(own_name).or_else(|| {
            reference
                .get("identifier")
                .and_then(|identifier| string(identifier, "value"))
        })
    }

    /// The names of all references at `key`, joined.
    pub fn names(&self, holder: &'a Value, key: &str) -> Option<String> {
        joined(list(holder, key).filter_map(|reference| self.name(holder, reference)))
    }
}

/// What a reference ends with: the id.
pub fn last_segment(reference: &str) -> &str {
    let path = reference.split("/_history/").next().unwrap_or(reference);
    path.rsplit(['/', ':']).next().unwrap_or(path)
}

/// The name that a resource gives itself.
pub fn own_name(resource: &Value) -> Option<String> {
    let human = list(resource, "name").find_map(human_name);
    human
        .or_else(|| concept_at(resource, "code"))
        .or_else(|| list(resource, "deviceName").find_map(|name| string(name, "name")))
        .or_else(|| concept_at(resource, "type"))
        .map(|name| text::without_tag(&name).to_owned())
}

/// A HumanName or a plain string: its text, else its parts.
pub fn human_name(name: &Value) -> Option<String> {
    if let Some(text) = name.as_str().or_else(|| raw(name, "text")) {
        return Some(text::title(text)).filter(|name| !name.is_empty());
    }
    let parts = ["prefix", "given", "family", "suffix"];
    let parts = parts
        .iter()
        .flat_map(|part| list(name, part))
        .filter_map(Value::as_str);
    join_with(parts.map(text::title), " ")
}

/// One record with its resource, as the builders see it.
#[derive(Clone)]
pub struct Item<'a> {
    /// The record.
    pub record: &'a ClinicalRecord<'a>,
    /// Its resource.
    pub resource: &'a Value,
    /// The resource's type.
    pub kind: &'a str,
    /// Where it came from.
    pub origin: Origin,
}

impl Item<'_> {
    /// The title of the record, for resources that don't name themselves.
    pub fn fallback_title(&self) -> String {
        let title = text::title(self.record.title);
        if title.is_empty() {
            text::title(self.kind)
        } else {
            title
        }
    }

    /// The date of the record, for resources that don't date themselves.
    pub fn fallback_date(&self) -> Option<Moment> {
        self.record.date.and_then(Moment::parse)
    }
}
