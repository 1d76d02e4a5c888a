//! The short value of an observation: what stands beside its name in a list.

use crate::json::Node;

/// The value with its unit, or the one of its blood pressure components.
pub(super) fn value(node: &Node<'_>) -> Option<String> {
    if let Some(value) = one_value(node) {
        return Some(value);
    }
    if let Some(pressure) = blood_pressure(node) {
        return Some(pressure);
    }
    node.get("dataAbsentReason")
        .and_then(concept_text)
        .map(str::to_owned)
}

fn one_value(node: &Node<'_>) -> Option<String> {
    node.members()
        .iter()
        .find_map(|(key, value)| match key.strip_prefix("value")? {
            "Quantity" => quantity(value),
            "CodeableConcept" => concept_text(value).map(str::to_owned),
            "String" | "DateTime" | "Time" => value.as_str().map(str::to_owned),
            "Integer" => match value {
                Node::Number(digits) => Some((*digits).to_owned()),
                _ => None,
            },
            "Boolean" => match value {
                Node::Bool(true) => Some("yes".to_owned()),
                Node::Bool(false) => Some("no".to_owned()),
                _ => None,
            },
            "Range" => range(value),
            "Ratio" => {
                let numerator = quantity(value.get("numerator")?)?;
                Some(format!(
                    "{numerator} / {}",
                    quantity(value.get("denominator")?)?
                ))
            }
            "Period" => {
                let start = value.str_at("start").unwrap_or("…");
                Some(format!("{start} – {}", value.str_at("end").unwrap_or("…")))
            }
            _ => None,
        })
}

fn quantity(node: &Node<'_>) -> Option<String> {
    let number = match node.get("value")? {
        Node::Number(digits) => *digits,
        _ => return None,
    };
    let comparator = node.str_at("comparator").unwrap_or_default();
    let unit = node
        .str_at("unit")
        .or_else(|| node.str_at("code"))
        .unwrap_or_default();
    let number = shorten(number);
    Some(match unit {
        "" => format!("{comparator}{number}"),
        "%" => format!("{comparator}{number}%"),
        _ => format!("{comparator}{number} {unit}"),
    })
}

/// Generated data has fifteen decimals; a list shows four. The record keeps all.
fn shorten(number: &str) -> String {
    match number.split_once('.') {
        Some((whole, decimals))
            if decimals.len() > 4 && decimals.bytes().all(|b| b.is_ascii_digit()) =>
        {
            number.parse::<f64>().map_or_else(
                |_| format!("{whole}.{decimals}"),
                |exact| {
                    let short = format!("{exact:.4}");
                    short.trim_end_matches('0').trim_end_matches('.').to_owned()
                },
            )
        }
        _ => number.to_owned(),
    }
}

fn range(node: &Node<'_>) -> Option<String> {
    let end = |key: &str| node.get(key).and_then(quantity);
    match (end("low"), end("high")) {
        (Some(low), Some(high)) => Some(format!("{low} – {high}")),
        (Some(low), None) => Some(format!("≥ {low}")),
        (None, Some(high)) => Some(format!("≤ {high}")),
        (None, None) => None,
    }
}

fn blood_pressure(node: &Node<'_>) -> Option<String> {
    let part = |code: &str| {
        node.items_at("component").iter().find_map(|component| {
            let is_it = component
                .at(&["code"])?
                .items_at("coding")
                .iter()
                .any(|coding| coding.str_at("code") == Some(code));
            if !is_it {
                return None;
            }
            match component.at(&["valueQuantity", "value"])? {
                Node::Number(digits) => Some(shorten(digits)),
                _ => None,
            }
        })
    };
    Some(format!("{}/{} mmHg", part("8480-6")?, part("8462-4")?))
}

/// The words of a CodeableConcept: what the author wrote, else a display.
pub(super) fn concept_words<'n>(concept: &'n Node<'_>) -> Option<&'n str> {
    concept
        .str_at("text")
        .or_else(|| {
            concept
                .items_at("coding")
                .iter()
                .find_map(|coding| coding.str_at("display"))
        })
        .or_else(|| concept.str_at("display"))
        .or_else(|| concept.as_str())
}

/// The same, or else the code.
pub(super) fn concept_text<'n>(concept: &'n Node<'_>) -> Option<&'n str> {
    let codings = || concept.items_at("coding").iter();
    concept_words(concept).or_else(|| codings().find_map(|coding| coding.str_at("code")))
}
