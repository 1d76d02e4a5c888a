//! Made-up systems at the other end, for the demo: a hospital to pull from and
//! a practice platform to push to. They are a program of their own beside this
//! one, started with the demo and ended with it; without it the demo goes on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The program, as it lies beside this one.
const PROGRAM: &str = "chartkey-fakes";

/// The other end, while the demo runs.
#[derive(Debug)]
pub struct Neighbours {
    program: Child,
    /// The hospital's base URL, and who the patient is there.
    pub hospital: (String, String),
    /// The platform's base URL, and its key.
    pub platform: (String, String),
}

impl Neighbours {
    /// Starts the other end on ports from `port` on; nothing where the program is
    /// not there, or cannot.
    pub fn start(port: u16) -> Option<Self> {
        let path = std::env::current_exe().ok()?.with_file_name(PROGRAM);
        let mut program = Command::new(path)
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let said = program.stdout.take().and_then(|out| {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).ok()?;
            serde_json::from_str::<Value>(&line).ok()
        });
        let text = |system: &str, field: &str| {
            let found = said.as_ref()?.get(system)?.get(field)?;
            found.as_str().map(str::to_owned)
        };
        let found = (|| {
            let hospital = (text("fhir", "base_url")?, text("fhir", "patient")?);
            let platform = (text("fhir_sink", "base_url")?, text("fhir_sink", "key")?);
            Some((hospital, platform))
        })();
        let Some((hospital, platform)) = found else {
            let _ = program.kill();
            let _ = program.wait();
            return None;
        };
        Some(Self {
            program,
            hospital,
            platform,
        })
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
