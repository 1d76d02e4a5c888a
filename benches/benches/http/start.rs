//! Cold start, and memory at rest.

use chartkey_benches::{Engine, Server};

use crate::binary;
use crate::report::{Aim, Figure, Report};

/// Starts that are measured.
const STARTS: usize = 11;

pub fn measure(report: &mut Report) {
    let mut server = Server::start(binary(), Engine::Sqlite);
    let first = server.started_in().as_secs_f64() * 1e3;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        server.stop();
        server.launch();
        times.push(server.started_in().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let remark =
        format!("median of {STARTS}; the very first, which makes the database, {first:.0} ms");
    let median = times[STARTS / 2];
    report.add(Figure::new("cold start to ready", median, "ms", Aim::AtMost(60.0)).remark(remark));
    let memory = resident(server.pid());
    report.add(Figure::new(
        "memory at rest",
        memory,
        "MB",
        Aim::AtMost(35.0),
    ));
}

/// Resident memory, in MB.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1_024.0 / 1e6
}
