//! Observations become series: one row for each test and unit, however often it
//! was done. Components become series of their own, blood pressure one value.

use std::collections::HashMap;

use serde_json::Value;

use super::dates::Moment;
use super::document::{Flag, Origin, Point, Series, SeriesGroup};
use super::read::{self, Item, bounds_text, concept_at, last_segment, list, magnitude, raw};
use super::text;

/// How many points a trend is drawn with.
const MAX_SPARK: usize = 60;

/// One result on its way into a series.
struct Sample {
    at: Option<Moment>,
    value: String,
    number: Option<f64>,
    limits: Limits,
    flag: Option<Flag>,
    remark: Option<String>,
    origin: Origin,
}

/// A reference range: as text, and as numbers where they may be compared.
#[derive(Clone, Default)]
struct Limits {
    text: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
}

/// A series with the time of its newest result.
type Dated = (i64, Series);

#[derive(Default)]
struct Builder {
    order: Vec<Test>,
    places: HashMap<(String, String), usize>,
}

struct Test {
    key: String,
    title: String,
    unit: String,
    parent: Option<String>,
    samples: Vec<Sample>,
}

/// Groups observations by panel and test. Panels are named by the reports among
/// `reports` (their `result` references) or by an observation with components.
pub fn series_groups(observations: &[Item<'_>], reports: &[Item<'_>]) -> Vec<SeriesGroup> {
    let mut builder = Builder::default();
    let mut code_of_id = HashMap::new();
    for item in observations {
        let code = item.resource.get("code");
        if let (Some(id), Some(key)) = (raw(item.resource, "id"), code.and_then(read::concept_key))
        {
            code_of_id.insert(id, key);
        }
        builder.add(item);
    }
    let panels = panels(reports, &code_of_id);
    builder.finish(&panels)
}

/// Which panel names each test's key; the newest report wins.
fn panels(reports: &[Item<'_>], code_of_id: &HashMap<&str, String>) -> HashMap<String, String> {
    let mut dated: Vec<(i64, &Item<'_>)> = reports
        .iter()
        .filter(|item| item.kind == "DiagnosticReport")
        .map(|item| {
            (
                super::item_moment(item).map_or(i64::MIN, |at| at.sort),
                item,
            )
        })
        .collect();
    dated.sort_by_key(|(sort, _)| *sort);
    let mut panels = HashMap::new();
    for (_, item) in dated {
        let Some(title) = concept_at(item.resource, "code") else {
            continue;
        };
        for result in list(item.resource, "result") {
            let id = raw(result, "reference").map(last_segment);
            if let Some(key) = id.and_then(|id| code_of_id.get(id)) {
                panels.insert(key.clone(), title.clone());
            }
        }
    }
    panels
}

impl Builder {
    fn add(&mut self, item: &Item<'_>) {
        let resource = item.resource;
        let (at, _) = read::when(resource, "effective");
        let at = at
            .or_else(|| read::moment(resource, "issued"))
            .or_else(|| item.fallback_date());
        let title = concept_at(resource, "code").unwrap_or_else(|| item.fallback_title());
        if let Some(pressure) = blood_pressure(resource) {
            let sample = self::sample(resource, resource, at, item, pressure);
            self.push(
                "blood-pressure".to_owned(),
                "Blood pressure".to_owned(),
                "mmHg".to_owned(),
                None,
                sample,
            );
            return;
        }
        let key = resource.get("code").and_then(read::concept_key);
        let key = key.unwrap_or_else(|| title.to_lowercase());
        let mut parts = 0;
        for component in list(resource, "component") {
            let Some(part) = concept_at(component, "code") else {
                continue;
            };
            let (value, number, unit) = value_of(component);
            let Some(value) = value else {
                continue;
            };
            let part_key = component.get("code").and_then(read::concept_key);
            let part_key = format!("{key}>{}", part_key.unwrap_or_else(|| part.to_lowercase()));
            let sample = self::sample(resource, component, at.clone(), item, (value, number));
            self.push(part_key, part, unit, Some(title.clone()), sample);
            parts += 1;
        }
        let (value, number, unit) = value_of(resource);
        if value.is_none() && parts > 0 {
            return;
        }
        let value = value.unwrap_or_else(|| missing(resource));
        let sample = self::sample(resource, resource, at, item, (value, number));
        self.push(key, title, unit, None, sample);
    }

    fn push(
        &mut self,
        key: String,
        title: String,
        unit: String,
        parent: Option<String>,
        sample: Sample,
    ) {
        let place = self
            .places
            .entry((key.clone(), unit.clone()))
            .or_insert_with(|| {
                self.order.push(Test {
                    key,
                    title,
                    unit,
                    parent,
                    samples: Vec::new(),
                });
                self.order.len() - 1
            });
        if let Some(test) = self.order.get_mut(*place) {
            test.samples.push(sample);
        }
    }

    fn finish(self, panels: &HashMap<String, String>) -> Vec<SeriesGroup> {
        let mut groups: Vec<(Option<String>, Vec<Dated>)> = Vec::new();
        for test in self.order {
            let panel = panels
                .get(&test.key)
                .cloned()
                .or_else(|| test.parent.clone());
            let newest = test
                .samples
                .iter()
                .filter_map(|s| s.at.as_ref())
                .map(|at| at.sort)
                .max();
            let newest = newest.unwrap_or(i64::MIN);
            let series = test.into_series();
            match groups.iter_mut().find(|(title, _)| *title == panel) {
                Some((_, members)) => members.push((newest, series)),
                None => groups.push((panel, vec![(newest, series)])),
            }
        }
        let newest =
            |members: &[(i64, Series)]| members.iter().map(|(at, _)| *at).max().unwrap_or(i64::MIN);
        groups.sort_by(|(left_title, left), (right_title, right)| {
            (left_title.is_none(), std::cmp::Reverse(newest(left)))
                .cmp(&(right_title.is_none(), std::cmp::Reverse(newest(right))))
        });
        groups
            .into_iter()
            .map(|(title, mut members)| {
                if title.is_none() {
                    members.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
                }
                let series = members.into_iter().map(|(_, series)| series).collect();
                SeriesGroup { title, series }
            })
            .collect()
    }
}

impl Test {
    /// Newest first, equal results merged, the trend drawn.
    fn into_series(self) -> Series {
        let mut samples = self.samples;
        samples.sort_by_key(|sample| {
            std::cmp::Reverse(sample.at.as_ref().map_or(i64::MIN, |at| at.sort))
        });
        let mut kept: Vec<Sample> = Vec::with_capacity(samples.len());
        for sample in samples {
            let same = kept.iter_mut().rev().take(8).find(|other| {
                other.at == sample.at
                    && other.value == sample.value
                    && other.remark == sample.remark
            });
            match same {
                Some(other) => other.origin.merge(sample.origin),
                None => kept.push(sample),
            }
        }
        let limits = kept
            .iter()
            .map(|s| &s.limits)
            .find(|l| l.text.is_some())
            .cloned()
            .unwrap_or_default();
        let (spark, band) = trend(&kept, &limits);
        Series {
            title: self.title,
            unit: self.unit,
            range: limits.text,
            points: points(kept),
            spark,
            band,
        }
    }
}

fn points(samples: Vec<Sample>) -> Vec<Point> {
    let mut days: HashMap<String, usize> = HashMap::new();
    for at in samples.iter().filter_map(|sample| sample.at.as_ref()) {
        *days.entry(at.date.clone()).or_default() += 1;
    }
    samples
        .into_iter()
        .map(|sample| {
            let shared = sample
                .at
                .as_ref()
                .is_some_and(|at| days.get(&at.date).is_some_and(|n| *n > 1));
            let time = sample
                .at
                .as_ref()
                .and_then(|at| at.time.clone())
                .filter(|_| shared);
            Point {
                date: sample.at.map(|at| at.date),
                time,
                value: sample.value,
                flag: sample.flag,
                remark: sample.remark,
                origin: sample.origin,
            }
        })
        .collect()
}

/// One result, with flag and range from the component where it is one.
fn sample(
    resource: &Value,
    element: &Value,
    at: Option<Moment>,
    item: &Item<'_>,
    (value, number): (String, Option<f64>),
) -> Sample {
    let limits = limits(element);
    let reported = list(element, "interpretation").find_map(reported_flag);
    let exact = element
        .get("valueQuantity")
        .and_then(|quantity| raw(quantity, "comparator"))
        .is_none();
    let said = list(element, "interpretation").next().is_some();
    // A laboratory that said anything has judged; only its silence leaves it to us.
    let flag = if said || !exact {
        reported
    } else {
        number.and_then(|number| limits.compare(number))
    };
    let remark = match raw(resource, "status") {
        Some("final") | None => None,
        Some(status) => Some(text::words(status)),
    };
    let remark = read::join_with(remark.into_iter().chain(read::notes(resource)), "; ");
    Sample {
        at,
        value,
        number: number.filter(|_| exact),
        limits,
        flag,
        remark,
        origin: item.origin.clone(),
    }
}

/// A value as text, as a number where it is one, and its readable unit.
fn value_of(element: &Value) -> (Option<String>, Option<f64>, String) {
    if let Some(quantity) = element.get("valueQuantity") {
        let number = quantity.get("value").and_then(Value::as_f64);
        return (magnitude(quantity), number, read::unit(quantity));
    }
    if let Some(number) = element.get("valueInteger").and_then(Value::as_i64) {
        return (
            Some(number.to_string()),
            i32::try_from(number).ok().map(f64::from),
            String::new(),
        );
    }
    let words = element
        .get("valueCodeableConcept")
        .and_then(read::concept)
        .or_else(|| read::string(element, "valueString"))
        .or_else(|| {
            element
                .get("valueBoolean")
                .and_then(Value::as_bool)
                .map(yes_no)
        })
        .or_else(|| read::moment(element, "valueDateTime").map(|at| at.date))
        .or_else(|| read::string(element, "valueTime"))
        .or_else(|| element.get("valueRange").and_then(read::range))
        .or_else(|| element.get("valueRatio").and_then(ratio))
        .or_else(|| read::when_text(element, "value"))
        .or_else(|| {
            element
                .get("valueSampledData")
                .map(|_| "waveform, not drawn here".to_owned())
        });
    (words, None, String::new())
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn ratio(ratio: &Value) -> Option<String> {
    let numerator = read::quantity(ratio.get("numerator")?)?;
    let denominator = ratio.get("denominator").and_then(read::quantity);
    Some(denominator.map_or_else(
        || numerator.clone(),
        |below| format!("{numerator} : {below}"),
    ))
}

/// What to say where there is no value: the reason, or that none is given.
fn missing(resource: &Value) -> String {
    if let Some(reason) = concept_at(resource, "dataAbsentReason") {
        return format!("no value ({})", text::words(&reason).to_lowercase());
    }
    if list(resource, "hasMember").next().is_some() {
        return "see the single results".to_owned();
    }
    "no value given".to_owned()
}

/// Systolic over diastolic, where both are components in one unit.
fn blood_pressure(resource: &Value) -> Option<(String, Option<f64>)> {
    let part = |codes: &[&str]| {
        list(resource, "component")
            .find(|component| {
                component
                    .get("code")
                    .is_some_and(|code| read::has_code(code, codes))
            })
            .and_then(|component| component.get("valueQuantity"))
    };
    let systolic = part(&["8480-6", "271649006"])?;
    let diastolic = part(&["8462-4", "271650006"])?;
    let (upper, lower) = (magnitude(systolic)?, magnitude(diastolic)?);
    if list(resource, "component").count() > 2
        || read::unit(systolic) != "mmHg"
        || read::unit(diastolic) != "mmHg"
    {
        return None;
    }
    let number = systolic.get("value").and_then(Value::as_f64);
    Some((format!("{upper}/{lower}"), number))
}

/// The flag that an interpretation reports; none where it says normal, or what
/// this file doesn't know.
fn reported_flag(interpretation: &Value) -> Option<Flag> {
    let known = |code: &str| {
        Some(match code {
            "L" => Flag::Low,
            "H" => Flag::High,
            "LL" | "LU" => Flag::CriticalLow,
            "HH" | "HU" => Flag::CriticalHigh,
            "A" | "ABN" | "POS" | "DET" | "R" => Flag::Abnormal,
            "AA" => Flag::Critical,
            _ => return None,
        })
    };
    list(interpretation, "coding")
        .filter_map(|coding| raw(coding, "code"))
        .chain(raw(interpretation, "text"))
        .find_map(known)
}

/// The range that may be compared with: the only one for everybody, in the
/// result's own unit. Others are only told.
fn limits(element: &Value) -> Limits {
    let ranges: Vec<&Value> = list(element, "referenceRange").collect();
    let unit = element
        .get("valueQuantity")
        .map(read::unit)
        .unwrap_or_default();
    let bound = |range: &Value, key: &str| {
        let bound = range.get(key)?;
        let own = read::unit(bound);
        (own.is_empty() || own == unit)
            .then(|| bound.get("value").and_then(Value::as_f64))
            .flatten()
    };
    let normal = |range: &&&Value| {
        let kind = range.get("type");
        let plain = kind.is_none_or(|kind| read::has_code(kind, &["normal"]));
        plain && range.get("age").is_none() && list(range, "appliesTo").next().is_none()
    };
    let mut plain = ranges.iter().filter(normal);
    let only = plain.next().filter(|_| plain.next().is_none());
    let shown = read::join_with(
        ranges.iter().filter_map(|range| range_text(range, &unit)),
        "; ",
    );
    match only {
        Some(range) => Limits {
            text: range_text(range, &unit).or(shown),
            low: bound(range, "low"),
            high: bound(range, "high"),
        },
        None => Limits {
            text: shown,
            ..Limits::default()
        },
    }
}

/// A range in words; the unit only where it isn't the result's own.
fn range_text(range: &Value, unit: &str) -> Option<String> {
    let (low, high) = (range.get("low"), range.get("high"));
    let own = low.or(high).map(read::unit).unwrap_or_default();
    let bounds = bounds_text(low.and_then(magnitude), high.and_then(magnitude));
    let bounds = bounds.map(|bounds| {
        if own == unit {
            bounds
        } else {
            read::with_unit(&bounds, &own)
        }
    });
    let text = bounds.or_else(|| read::string(range, "text"))?;
    let who = read::concepts_at(range, "appliesTo").into_iter().chain(
        range
            .get("age")
            .and_then(read::range)
            .map(|age| format!("age {age}")),
    );
    Some(match read::joined(who) {
        Some(who) => format!("{text} ({who})"),
        None => text,
    })
}

impl Limits {
    /// How a number stands to the range.
    fn compare(&self, number: f64) -> Option<Flag> {
        if self.low.is_some_and(|low| number < low) {
            Some(Flag::Low)
        } else if self.high.is_some_and(|high| number > high) {
            Some(Flag::High)
        } else {
            None
        }
    }
}

/// The trend line and the range's band, from 0 to 1 in both directions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a picture of two centimetres"
)]
fn trend(newest_first: &[Sample], limits: &Limits) -> (Vec<[f32; 2]>, Option<[f32; 2]>) {
    let dated: Vec<(f64, f64)> = newest_first
        .iter()
        .rev()
        .filter_map(|sample| Some((sample.at.as_ref()?.sort as f64, sample.number?)))
        .filter(|(_, number)| number.is_finite())
        .collect();
    let (Some((first, _)), Some((last, _))) = (dated.first(), dated.last()) else {
        return (Vec::new(), None);
    };
    if dated.len() < 2 || last <= first {
        return (Vec::new(), None);
    }
    let mut low = dated.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let mut high = dated
        .iter()
        .map(|(_, y)| *y)
        .fold(f64::NEG_INFINITY, f64::max);
    if high <= low {
        (low, high) = (low - 1.0, high + 1.0);
    }
    let scale = |y: f64| ((y - low) / (high - low)).clamp(0.0, 1.0) as f32;
    let step = dated.len().div_ceil(MAX_SPARK).max(1);
    let mut spark: Vec<[f32; 2]> = dated
        .iter()
        .step_by(step)
        .map(|(x, y)| [((x - first) / (last - first)) as f32, scale(*y)])
        .collect();
    if !(dated.len() - 1).is_multiple_of(step)
        && let Some((x, y)) = dated.last()
    {
        spark.push([((x - first) / (last - first)) as f32, scale(*y)]);
    }
    let band = (limits.low.is_some() || limits.high.is_some())
        .then(|| {
            [
                limits.low.map_or(0.0, scale),
                limits.high.map_or(1.0, scale),
            ]
        })
        .filter(|[bottom, top]| top > bottom);
    (spark, band)
}
