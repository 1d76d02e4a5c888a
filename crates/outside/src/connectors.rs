//! How every system at the other end of a connection is spoken to: the adapters
//! behind the doors of [`chartkey_domain::connections`].
//!
//! An adapter makes one call at a time and says what came of it. It must not know
//! when it is called again, what was delivered before, or anything of a record:
//! schedules, retries and the ledger are the caller's.

mod calls;
mod carepatron;
mod cliniko;
mod encoded;
pub mod fhir;
mod healthie;
mod multipart;
mod people;
mod rest;
mod settings;
mod wire;

use std::sync::Arc;

use chartkey_domain::clock::Clock;
use chartkey_domain::connections::{
    ConnectionKind, ConnectorResult, Connectors, Launcher, Platform, ProviderEndpoint, Source,
};
use rand_core::CryptoRng;

use self::calls::Calls;
use self::carepatron::Carepatron;
use self::cliniko::Cliniko;
use self::fhir::{FhirDestination, FhirSource};
use self::healthie::Healthie;
use self::rest::Rest;
use self::wire::Wire;
use crate::http::{HttpClient, HttpError, HttpSettings};

/// How much is taken from the other end.
#[derive(Clone, Copy, Debug)]
pub struct ConnectorLimits {
    /// Bytes of one page of a search.
    pub max_page_len: usize,
    /// Bytes of one resource.
    pub max_resource_len: usize,
    /// Pages of one search.
    pub max_pages: u32,
}

impl Default for ConnectorLimits {
    fn default() -> Self {
        Self {
            max_page_len: 32 << 20,
            max_resource_len: 16 << 20,
            max_pages: 2_000,
        }
    }
}

/// All adapters there are.
#[derive(Debug)]
pub struct Adapters {
    fhir: FhirSource,
    fhir_destination: FhirDestination,
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
        limits: ConnectorLimits,
        clock: Arc<dyn Clock>,
        chance: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, HttpError> {
        let timeout = http.timeout;
        let http = HttpClient::new(HttpSettings {
            max_redirects: 0,
            ..http
        })?;
        let wire = Arc::new(Wire::new(http, clock, chance));
        let calls = Calls::new(Arc::clone(&wire), timeout);
        Ok(Self {
            fhir: FhirSource::new(Arc::clone(&wire), limits),
            fhir_destination: FhirDestination::new(Arc::clone(&wire), calls.clone()),
            cliniko: Cliniko::new(calls.clone()),
            healthie: Healthie::new(calls.clone()),
            rest: Rest::new(calls.clone()),
            carepatron: Carepatron::new(calls),
        })
    }

    /// The adapter for FHIR servers, which also launches and reads directories.
    pub fn fhir(&self) -> &FhirSource {
        &self.fhir
    }
}

impl Connectors for Adapters {
    fn source(&self, kind: ConnectionKind) -> Option<&dyn Source> {
        (kind == ConnectionKind::Fhir).then_some(&self.fhir as &dyn Source)
    }

    fn platform(&self, kind: ConnectionKind) -> Option<&dyn Platform> {
        Some(match kind {
            ConnectionKind::Fhir => &self.fhir_destination,
            ConnectionKind::Carepatron => &self.carepatron,
            ConnectionKind::Cliniko => &self.cliniko,
            ConnectionKind::Healthie => &self.healthie,
            ConnectionKind::Rest => &self.rest,
        })
    }

    fn launcher(&self, kind: ConnectionKind) -> Option<&dyn Launcher> {
        (kind == ConnectionKind::Fhir).then_some(&self.fhir as &dyn Launcher)
    }

    fn read_directory(&self, json: &[u8]) -> ConnectorResult<Vec<ProviderEndpoint>> {
        fhir::directory::read(json)
    }
}
