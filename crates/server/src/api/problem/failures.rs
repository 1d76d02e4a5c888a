//! From what services say to what is answered. Failures of ours are logged
//! here, once, with their chain; refusals are not: they are answers.

use std::error::Error;

use chartkey_domain::codes;
use chartkey_service::{Failure, NounError};
use chartkey_store::StoreError;
use chartkey_vault::VaultError;

use super::{FieldError, Problem};

impl<E: NounError> From<Failure<E>> for Problem {
    fn from(failure: Failure<E>) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::new(refusal.code()),
            Failure::Noun(error) => {
                let problem = Self::new(error.code());
                match error.field() {
                    Some(field) => problem.with_errors(vec![FieldError::of_rule(field, &error)]),
                    None => problem,
                }
            }
            Failure::Invalid(fields) => Self::invalid(
                fields
                    .into_iter()
                    .map(|(field, message)| FieldError::new(field, message))
                    .collect(),
            ),
            Failure::Rule {
                code,
                field,
                message,
            } => Self::new(code).with_errors(vec![FieldError::new(field, message)]),
            Failure::Limited { retry_after_secs } => {
                Self::new("request.limited").with_retry_after(retry_after_secs)
            }
            Failure::Full(quota) => Self::new(quota.code()),
            Failure::KeyReused => Self::new("idempotency.reused"),
            Failure::Vault(error) => of_vault(&error),
            Failure::Store(error) => of_store(&error),
            Failure::Internal(_) => ours(&failure),
        }
    }
}

/// Something of ours failed.
fn ours(error: &(dyn Error + 'static)) -> Problem {
    let mut chain = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = chain, "a request failed");
    Problem::new("server.internal")
}

fn of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unique { table, .. } if table == "idempotency" => {
            Problem::new("idempotency.busy").with_retry_after(1)
        }
        StoreError::Busy | StoreError::Unavailable => {
            tracing::warn!(?error, "the database cannot be reached");
            Problem::new("server.unavailable").with_retry_after(2)
        }
        _ => {
            tracing::error!(?error, "the database failed");
            Problem::new("server.internal")
        }
    }
}

fn of_vault(error: &VaultError) -> Problem {
    match error {
        VaultError::Statement(reason) => Problem::new("statement.invalid").with_detail(*reason),
        VaultError::Refused { code, .. } | VaultError::Conflict(code) => {
            if codes::lookup(code).is_some() {
                Problem::new(code.clone())
            } else {
                ours(error)
            }
        }
        VaultError::Password => Problem::new("password.params"),
        VaultError::RecoveryCode => Problem::new("recovery.malformed"),
        VaultError::Input(reason) => Problem::field("body", *reason),
        VaultError::NoKey => Problem::new("vault.locked"),
        VaultError::Unavailable => Problem::new("server.unavailable").with_retry_after(2),
        VaultError::Open | VaultError::RolledBack | VaultError::Internal => ours(error),
    }
}
