//! Figures: printed as a table, and written to `docs/performance.md`.

use std::fmt::Write as _;
use std::path::PathBuf;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// Only told.
    Told,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    aim: Aim,
    remark: String,
}

impl Figure {
    /// A figure with its unit.
    pub fn new(what: &str, value: f64, unit: &'static str, aim: Aim) -> Self {
        Self {
            what: what.to_owned(),
            value,
            unit,
            aim,
            remark: String::new(),
        }
    }

    /// With what else there is to say.
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    fn row(&self) -> [String; 4] {
        let (aim, met) = match self.aim {
            Aim::AtLeast(aim) => (format!("≥ {}", number(aim)), self.value >= aim),
            Aim::AtMost(aim) => (format!("≤ {}", number(aim)), self.value <= aim),
            Aim::Told => (String::new(), true),
        };
        let aim = if met {
            aim
        } else {
            format!("{aim} **missed**")
        };
        [
            self.what.clone(),
            format!("{} {}", number(self.value), self.unit),
            aim,
            self.remark.clone(),
        ]
    }
}

/// Thousands apart; more digits for what is small.
fn number(value: f64) -> String {
    if value < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// All figures of a run, in order.
#[derive(Default)]
pub struct Report(Vec<Figure>);

impl Report {
    /// Adds a figure, and prints it.
    pub fn add(&mut self, figure: Figure) {
        let [what, value, aim, remark] = figure.row();
        println!("{what:<58} {value:>22}   {aim:<18} {remark}");
        self.0.push(figure);
    }

    fn table(&self) -> String {
        let mut table = "| what | measured | aim | |\n|---|---:|---:|---|\n".to_owned();
        for figure in &self.0 {
            let [what, value, aim, remark] = figure.row();
            // Writing into a `String` cannot fail.
            let _ = writeln!(table, "| {what} | {value} | {aim} | {remark} |");
        }
        table
    }

    /// Replaces the table between the two marks of `docs/performance.md`.
    pub fn write(&self) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = (
            "<!-- figures: written by `make bench` -->\n",
            "<!-- end of figures -->\n",
        );
        let (before, rest) = text
            .split_once(begin)
            .expect("the mark where figures begin");
        let (_, after) = rest.split_once(end).expect("the mark where figures end");
        let machine = machine();
        let table = self.table();
        let text = format!("{before}{begin}\n{machine}\n\n{table}\n{end}{after}");
        std::fs::write(&path, text).unwrap();
    }
}

/// The machine that the figures come from.
fn machine() -> String {
    let first = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned);
        line.and_then(|line| {
            line.split_once(':')
                .map(|(_, value)| value.trim().to_owned())
        })
        .unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: f64 = first("/proc/meminfo", "MemTotal")
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0.0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{}, {cores} cores, {:.0} GiB of memory; client and server on the same machine, whose load \
         was {load} at the end of the run.",
        first("/proc/cpuinfo", "model name"),
        memory / 1_048_576.0,
    )
}
