//! Immunizations by vaccine, what was not given, and what is due.

use super::Desk;
use super::document::{Table, Width};
use super::read::{self, Index, Item, concept_at, list, raw, status_at};
use super::rows::{Draft, table};
use super::text::sentence;

/// Given, not given, recommended.
pub fn tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let given = |wanted: bool| {
        desk.of("Immunization")
            .filter(|item| (raw(item.resource, "status") != Some("not-done")) == wanted)
            .map(|item| immunization(item, index, wanted))
            .collect()
    };
    let due = desk
        .of("ImmunizationRecommendation")
        .flat_map(recommendations)
        .collect();
    let judged = desk.of("ImmunizationEvaluation").map(evaluation).collect();
    vec![
        table(
            Some("Given"),
            &[
                ("Vaccine", Width::Wide),
                ("Last dose", Width::Narrow),
                ("Dose, lot", Width::Medium),
                ("Given by", Width::Medium),
            ],
            given(true),
        ),
        table(
            Some("Not given"),
            &[
                ("Vaccine", Width::Wide),
                ("Date", Width::Narrow),
                ("Reason", Width::Wide),
            ],
            given(false),
        ),
        table(
            Some("Recommended"),
            &[
                ("Vaccine", Width::Wide),
                ("Date", Width::Medium),
                ("Forecast", Width::Wide),
            ],
            due,
        ),
        table(
            Some("Evaluated"),
            &[
                ("Disease", Width::Wide),
                ("Date", Width::Narrow),
                ("Dose", Width::Medium),
            ],
            judged,
        ),
    ]
}

fn immunization(item: &Item<'_>, index: &Index<'_>, given: bool) -> Draft {
    let resource = item.resource;
    let (start, _) = read::when(resource, "occurrence");
    let title = concept_at(resource, "vaccineCode").unwrap_or_else(|| item.fallback_title());
    let vaccine = resource.get("vaccineCode").and_then(read::concept_key);
    let dose = list(resource, "protocolApplied").find_map(|protocol| {
        let number = protocol.get("doseNumberPositiveInt").and_then(read::number);
        let number = number.or_else(|| read::string(protocol, "doseNumberString"));
        let of = protocol
            .get("seriesDosesPositiveInt")
            .and_then(read::number);
        number.map(|number| match of {
            Some(of) => format!("dose {number} of {of}"),
            None => format!("dose {number}"),
        })
    });
    let lot = read::string(resource, "lotNumber").map(|lot| format!("lot {lot}"));
    let by = list(resource, "performer")
        .find_map(|performer| index.name(resource, performer.get("actor")?))
        .or_else(|| index.name(resource, resource.get("location")?));
    let reactions = list(resource, "reaction").filter_map(|reaction| {
        reaction
            .get("detail")
            .and_then(|detail| index.name(resource, detail))
    });
    let sub = [
        read::string(resource, "occurrenceString").map(|when| format!("When: {when}")),
        read::joined(reactions).map(|reaction| format!("Reaction: {reaction}")),
        read::notes(resource),
    ];
    let mut draft = Draft {
        key: vaccine.unwrap_or_else(|| title.to_lowercase()),
        title,
        sub: sub.into_iter().flatten().collect(),
        start: start.or_else(|| item.fallback_date()),
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = if given {
        let dose = read::joined([dose, lot].into_iter().flatten());
        vec![
            draft.span(),
            dose.unwrap_or_default(),
            by.unwrap_or_default(),
        ]
    } else {
        let reason = concept_at(resource, "statusReason")
            .or_else(|| read::concepts_at(resource, "reasonCode"));
        vec![
            draft.span(),
            reason.unwrap_or_else(|| "reason not given".to_owned()),
        ]
    };
    draft
}

fn recommendations<'d>(item: &'d Item<'_>) -> impl Iterator<Item = Draft> + use<'d> {
    list(item.resource, "recommendation").map(|recommendation| {
        let title = concept_at(recommendation, "vaccineCode")
            .or_else(|| concept_at(recommendation, "targetDisease"))
            .unwrap_or_else(|| item.fallback_title());
        let dates = list(recommendation, "dateCriterion").filter_map(|criterion| {
            let what = concept_at(criterion, "code");
            let when = read::moment(criterion, "value").map(|at| at.date);
            read::join_with([what, when].into_iter().flatten(), ": ")
        });
        let forecast = [
            concept_at(recommendation, "forecastStatus"),
            read::join_with(dates, "; "),
        ];
        let mut draft = Draft {
            title,
            start: super::item_moment(item),
            origin: item.origin.clone(),
            ..Draft::default()
        };
        draft.cells = vec![
            draft.span(),
            read::join_with(forecast.into_iter().flatten(), ". ").unwrap_or_default(),
        ];
        draft
    })
}

fn evaluation(item: &Item<'_>) -> Draft {
    let resource = item.resource;
    let mut draft = Draft {
        title: concept_at(resource, "targetDisease").unwrap_or_else(|| item.fallback_title()),
        start: super::item_moment(item),
        origin: item.origin.clone(),
        ..Draft::default()
    };
    let dose = concept_at(resource, "doseStatus")
        .or_else(|| status_at(resource, "status"))
        .unwrap_or_default();
    draft.cells = vec![draft.span(), sentence(&dose)];
    draft
}
