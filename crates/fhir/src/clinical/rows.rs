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
    // Who did it each time is not told for earlier times: it would bury the dates.
    let told = columns.last().map_or(usize::MAX, |(last, _)| {
        columns.len() - 1 - usize::from(BY.contains(last))
    });
    let mut rows: Vec<Row> = groups
        .into_iter()
        .filter_map(|group| row(group, told))
        .collect();
    let mut columns = columns.to_vec();
    for place in (1..columns.len()).rev() {
        if rows
            .iter()
            .all(|row| row.cells.get(place - 1).is_none_or(String::is_empty))
        {
            columns.remove(place);
            for row in &mut rows {
                if place <= row.cells.len() {
                    row.cells.remove(place - 1);
                }
            }
        }
    }
    Some(Table {
        title: title.map(str::to_owned),
        columns: columns
            .iter()
            .map(|(title, width)| Column {
                title: (*title).to_owned(),
                width: *width,
            })
            .collect(),
        rows,
    })
}

/// Columns that say by whom or where.
const BY: [&str; 4] = ["By", "Given by", "Where, by whom", "Added by"];

/// One row of drafts of the same thing, newest first.
fn row(group: Vec<Draft>, told: usize) -> Option<Row> {
    let mut drafts = group.into_iter();
    let newest = drafts.next()?;
    let first = newest.span();
    let mut row = Row {
        title: newest.title,
        sub: newest.sub,
        cells: newest.cells,
        also: Vec::new(),
        urgent: newest.urgent,
        origin: newest.origin,
    };
    for draft in drafts {
        let when = draft.span();
        let other = difference(&draft, &row, told);
        let also = match (when.is_empty(), other.is_empty()) {
            (_, true) if when == first => None,
            (true, true) => Some("undated".to_owned()),
            (true, false) => Some(format!("undated ({other})")),
            (false, true) => Some(when),
            (false, false) => Some(format!("{when} ({other})")),
        };
        if let Some(also) = also.filter(|also| !row.also.contains(also)) {
            row.also.push(also);
        }
        row.urgent |= draft.urgent;
        row.origin.merge(draft.origin);
    }
    Some(row)
}

/// What an earlier draft says that the newest doesn't: `told` of its cells, and its
/// remarks.
fn difference(draft: &Draft, newest: &Row, told: usize) -> String {
    let span = draft.span();
    let cells = draft
        .cells
        .iter()
        .zip(&newest.cells)
        .take(told)
        .filter(|(cell, shown)| cell != shown && !cell.is_empty() && **cell != span)
        .map(|(cell, _)| cell.as_str());
    let remarks = draft.sub.iter().filter(|sub| !newest.sub.contains(sub));
    let all: Vec<&str> = cells.chain(remarks.map(String::as_str)).collect();
    all.join("; ")
}
