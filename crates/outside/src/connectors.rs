//! How every system at the other end of a connection is spoken to: the adapters
//! behind the doors of [`chartkey_domain::connections`].
//!
//! An adapter makes one call at a time and says what came of it. It must not know
//! when it is called again, what was delivered before, or anything of a record:
//! schedules, retries and the ledger are the caller's.

mod calls;
mod carepatron;
mod cliniko;
mod healthie;
mod multipart;
mod people;
mod rest;
mod settings;
mod wire;

use std::sync::Arc;

use chartkey_domain::clock::Clock;
use chartkey_domain::connections::{ConnectionKind, Connectors, Platform, Source};
use rand_core::CryptoRng;

use self::calls::Calls;
use self::carepatron::Carepatron;
use self::cliniko::Cliniko;
use self::healthie::Healthie;
use self::rest::Rest;
use self::wire::Wire;
use crate::http::{HttpClient, HttpError, HttpSettings};

/// All adapters there are.
pub struct Adapters {
    cliniko: Cliniko,
    healthie: Healthie,
    rest: Rest,
    carepatron: Carepatron,
}

impl Adapters {
    /// Adapters that call with a client of these settings. Redirects are never
    /// followed by the client: where one may be followed, an adapter decides.
    ///
    /// # Errors
    /// [`HttpError::Setup`].
    pub fn new(
        http: HttpSettings,
        clock: Arc<dyn Clock>,
        chance: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, HttpError> {
        let timeout = http.timeout;
        let http = HttpClient::new(HttpSettings {
            max_redirects: 0,
            ..http
        })?;
        let wire = Arc::new(Wire::new(http, clock, chance));
        let calls = Calls::new(wire, timeout);
        Ok(Self {
            cliniko: Cliniko::new(calls.clone()),
            healthie: Healthie::new(calls.clone()),
            rest: Rest::new(calls.clone()),
            carepatron: Carepatron::new(calls),
        })
    }
}

impl Connectors for Adapters {
    fn source(&self, _kind: ConnectionKind) -> Option<&dyn Source> {
        None
    }

    fn platform(&self, kind: ConnectionKind) -> Option<&dyn Platform> {
        Some(match kind {
            ConnectionKind::Cliniko => &self.cliniko,
            ConnectionKind::Healthie => &self.healthie,
            ConnectionKind::Rest => &self.rest,
            ConnectionKind::Carepatron => &self.carepatron,
            ConnectionKind::Fhir => return None,
        })
    }
}
