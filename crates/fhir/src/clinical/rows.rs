//! Builds tables: the same thing at several times becomes one row, and what would
//! read exactly alike stands once.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::dates::{Moment, span};
use super::document::{Column, Origin, Row, Table, Width};

/// A row on its way into a table.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What makes two drafts the same thing at different times; empty: nothing does.
    pub key: String,
    /// The first cell.
    pub title: String,
    /// Smaller, under the title.
    pub sub: Vec<String>,
    /// The other cells; the newest draft's are shown.
    pub cells: Vec<String>,
    /// When it began or was.
    pub start: Option<Moment>,
    /// When it ended.
    pub end: Option<Moment>,
    /// Rows with a lower rank stand higher.
    pub rank: u8,
    /// Whether it should catch the eye.
    pub urgent: bool,
    /// Where it came from.
    pub origin: Origin,
}

impl Draft {
    /// The dates in words, empty where there are none.
    pub fn span(&self) -> String {
        span(self.start.as_ref(), self.end.as_ref()).unwrap_or_default()
    }

    fn sort(&self) -> i64 {
        let at = self.start.as_ref().or(self.end.as_ref());
        at.map_or(i64::MIN, |at| at.sort)
    }
}

/// A table of these drafts, by rank and then newest first; none where there are no
/// drafts. Drafts with equal keys become one row that lists the other times.
pub fn table(title: Option<&str>, columns: &[(&str, Width)], drafts: Vec<Draft>) -> Option<Table> {
    if drafts.is_empty() {
        return None;
    }
    let mut groups: Vec<Vec<Draft>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for draft in drafts {
        let key = if draft.key.is_empty() {
            format!(
                "{}\u{0}{}\u{0}{}\u{0}{}",
                draft.title,
                draft.sub.join("\u{0}"),
                draft.cells.join("\u{0}"),
                draft.span()
            )
        } else {
            draft.key.clone()
        };
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.push(draft);
        }
    }
    for group in &mut groups {
        group.sort_by_key(|draft| Reverse(draft.sort()));
    }
    groups.sort_by_key(|group| {
        group
            .first()
            .map(|draft| (draft.rank, Reverse(draft.sort())))
    });
    Some(Table {
        title: title.map(str::to_owned),
        columns: columns
            .iter()
            .map(|(title, width)| Column {
                title: (*title).to_owned(),
                width: *width,
            })
            .collect(),
        rows: groups.into_iter().filter_map(row).collect(),
    })
}

/// One row of drafts of the same thing, newest first.
fn row(group: Vec<Draft>) -> Option<Row> {
    let mut drafts = group.into_iter();
    let newest = drafts.next()?;
    let mut said: Vec<(String, Vec<String>, usize)> =
        vec![(newest.span(), newest.cells.clone(), 1)];
    let mut row = Row {
        title: newest.title,
        sub: newest.sub,
        cells: newest.cells,
        also: Vec::new(),
        urgent: newest.urgent,
        origin: newest.origin,
    };
    let mut other_subs: Vec<String> = Vec::new();
    for draft in drafts {
        let when = draft.span();
        match said
            .iter_mut()
            .find(|(span, cells, _)| *span == when && *cells == draft.cells)
        {
            Some((_, _, times)) => *times += 1,
            None => said.push((when, draft.cells.clone(), 1)),
        }
        for sub in draft.sub {
            if !row.sub.contains(&sub) && !other_subs.contains(&sub) {
                other_subs.push(sub);
            }
        }
        row.urgent |= draft.urgent;
        row.origin.merge(draft.origin);
    }
    for (when, cells, _) in said.iter().skip(1) {
        row.also.push(difference(when, cells, &row.cells));
    }
    row.also.dedup();
    // Further remarks of earlier times: a few, so that none is lost silently the
    // rest are counted.
    let more = other_subs.len().saturating_sub(3);
    row.sub.extend(
        other_subs
            .into_iter()
            .take(3)
            .map(|sub| format!("Earlier: {sub}")),
    );
    if more > 0 {
        row.sub
            .push(format!("and {more} further remarks in earlier records"));
    }
    Some(row)
}

/// When, and what was then different from the newest.
fn difference(when: &str, cells: &[String], newest: &[String]) -> String {
    let when = if when.is_empty() { "undated" } else { when };
    let other: Vec<&str> = cells
        .iter()
        .zip(newest)
        .filter(|(cell, shown)| cell != shown && !cell.is_empty() && !when.contains(cell.as_str()))
        .map(|(cell, _)| cell.as_str())
        .filter(|cell| Moment::parse(cell).is_none() && !cell.contains(" – "))
        .collect();
    if other.is_empty() {
        when.to_owned()
    } else {
        format!("{when} ({})", other.join(", "))
    }
}
