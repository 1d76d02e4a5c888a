//! Ways in over the wire: registering, signing in, another password, coming
//! back with a recovery code. The password is stretched here and never sent;
//! the server learns one half of what comes out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chartkey_crypto::{password::check_password, recovery::RecoveryCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Id,
    account::{self, PasswordRoot, SALT},
    bytes::{Bytes, Bytes32},
    client::Act,
    error::VaultError,
    http::{Fetch, Http, SEALED, done},
    keys::AccountSecrets,
    protocol::{KdfParams, WayIn},
};

/// Who registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Somebody with a record of their own.
    Patient,
    /// Somebody whom others share with.
    Provider,
}

/// What became of a registration.
#[derive(Debug)]
pub struct Registration {
    /// The account.
    pub account: Id,
    /// A patient's own record.
    pub patient: Option<Id>,
    /// Shown once.
    pub recovery: RecoveryCode,
}

/// Somebody signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The account, open.
    pub secrets: AccountSecrets,
    /// What the server said besides: tokens, the account, its patient.
    pub said: Map<String, Value>,
}

#[derive(Deserialize)]
struct Stretching {
    kdf: KdfParams,
    salt: Bytes,
}

#[derive(Deserialize)]
struct Ticket {
    account_id: Id,
    wrapped_seed: Bytes,
    #[serde(default)]
    previous_seeds: Vec<Bytes>,
    ticket: String,
}

#[derive(Serialize)]
struct NewWaysIn<'a> {
    ticket: &'a str,
    kdf: KdfParams,
    password: WayIn,
    recovery: WayIn,
}

#[derive(Serialize)]
struct NewPassword {
    auth_key: Bytes32,
    kdf: KdfParams,
    password: WayIn,
}

/// Refuses a password that is too easy, by the rule that assisted accounts
/// are held to.
fn check(password: &str) -> Result<(), VaultError> {
    check_password(password, false).map_err(|error| VaultError::Refused {
        status: 422,
        code: error.code().to_owned(),
        detail: error.to_string(),
    })
}

impl<F: Fetch> Http<F> {
    /// Stretches a password as the address has it stretched.
    async fn stretch(
        &self,
        email: &str,
        password: &str,
    ) -> Result<(PasswordRoot, KdfParams), VaultError> {
        let body = serde_json::json!({ "email": email });
        let answer: Stretching = self.send_json("POST", "/api/auth/prelogin", &body).await?;
        let salt = <[u8; SALT]>::try_from(answer.salt.0.as_slice());
        let salt = salt.map_err(|_| VaultError::Password)?;
        let root = PasswordRoot::derive(password, &salt, answer.kdf)?;
        Ok((root, answer.kdf))
    }

    /// Registers. `person` has the other members of the call, `email` among
    /// them.
    pub async fn register(
        &self,
        role: Role,
        person: &Map<String, Value>,
        password: &str,
        act: &mut Act<'_>,
    ) -> Result<Registration, VaultError> {
        check(password)?;
        let email = person.get("email").and_then(Value::as_str);
        let email = email.ok_or(VaultError::Input("an address is needed"))?;
        let (root, kdf) = self.stretch(email, password).await?;
        let with_patient = role == Role::Patient;
        let made = account::register(&root, kdf, with_patient, act.now, act.rng)?;
        let registration = Registration {
            account: made.request.account,
            patient: made.request.patient.as_ref().map(|p| p.patient),
            recovery: made.recovery,
        };
        let path = match role {
            Role::Patient => "/api/patients/register",
            Role::Provider => "/api/providers/register",
        };
        let mut body = person.clone();
        let account = serde_json::to_value(&made.request).map_err(|_| VaultError::Internal)?;
        body.insert("account".to_owned(), account);
        done(
            &self
                .carry("POST", path.into(), SEALED, &[], Some(&body))
                .await?,
        )?;
        Ok(registration)
    }

    /// Signs in and opens the account.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, VaultError> {
        let (root, _) = self.stretch(email, password).await?;
        let body = serde_json::json!({ "email": email, "auth_key": root.auth_key() });
        let mut said: Map<String, Value> = self.send_json("POST", "/api/auth/login", &body).await?;
        let account = said.get("account").and_then(|a| a.get("id"));
        let account = account.and_then(Value::as_str).and_then(|a| a.parse().ok());
        let wrapped = take_bytes(said.remove("wrapped_seed").as_ref());
        let (account, wrapped) = account.zip(wrapped).ok_or(FORM)?;
        let mut secrets = root.unlock(account, &wrapped)?;
        secrets.take_previous(&previous(&mut said)?)?;
        Ok(SignedIn { secrets, said })
    }

    /// Changes the password of a signed-in account.
    pub async fn change_password(
        &self,
        secrets: &AccountSecrets,
        email: &str,
        current: &str,
        new: &str,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        check(new)?;
        let (old, _) = self.stretch(email, current).await?;
        let (root, kdf) = self.stretch(email, new).await?;
        let body = NewPassword {
            auth_key: old.auth_key(),
            kdf,
            password: account::change_password(secrets, &root, act.rng),
        };
        let path = "/api/auth/password".into();
        done(&self.carry("POST", path, SEALED, &[], Some(&body)).await?)
    }

    /// Stretches the password of an account that changes its keys, for
    /// [`Client::rekey`](crate::Client::rekey). Whether it *is* the account's, the
    /// caller has shown before by signing in with it: a slip of the finger must not
    /// become the password.
    pub async fn stretch_again(
        &self,
        email: &str,
        password: &str,
    ) -> Result<(PasswordRoot, KdfParams), VaultError> {
        check(password)?;
        self.stretch(email, password).await
    }

    /// Comes back with a recovery code: a new password, a new code, signed in.
    pub async fn recover(
        &self,
        email: &str,
        code: &str,
        new_password: &str,
        act: &mut Act<'_>,
    ) -> Result<(SignedIn, RecoveryCode), VaultError> {
        check(new_password)?;
        let code = RecoveryCode::parse(code).map_err(|_| VaultError::RecoveryCode)?;
        let recovery_auth = Bytes32(*code.auth_key().as_bytes());
        let body = serde_json::json!({ "email": email, "recovery_auth": recovery_auth });
        let path = String::from("/api/auth/recover");
        let ticket: Ticket = self.post(path.clone(), &body).await?;
        let mut secrets =
            account::unlock_by_recovery(&code, ticket.account_id, &ticket.wrapped_seed)?;
        secrets.take_previous(&ticket.previous_seeds)?;
        let (root, kdf) = self.stretch(email, new_password).await?;
        let (fresh, recovery) = account::change_recovery(&secrets, act.rng);
        let body = NewWaysIn {
            ticket: &ticket.ticket,
            kdf,
            password: account::change_password(&secrets, &root, act.rng),
            recovery,
        };
        let mut said: Map<String, Value> = self.post(path, &body).await?;
        said.remove("wrapped_seed");
        Ok((SignedIn { secrets, said }, fresh))
    }
}

/// An answer that is not what it should be.
const FORM: VaultError = VaultError::Statement("an answer of another form");

fn take_bytes(value: Option<&Value>) -> Option<Bytes> {
    let text = value?.as_str()?;
    STANDARD.decode(text).ok().map(Bytes)
}

/// The seeds before, each wrapped under its successor, newest first.
fn previous(said: &mut Map<String, Value>) -> Result<Vec<Bytes>, VaultError> {
    let Some(seeds) = said.remove("previous_seeds") else {
        return Ok(Vec::new());
    };
    let seeds = seeds.as_array().ok_or(FORM)?.iter();
    seeds
        .map(|seed| take_bytes(Some(seed)).ok_or(FORM))
        .collect()
}
