//! Signing in, sealed and assisted.

use chartkey_crypto::password::Params;

use super::*;
use crate::accounts;
use chartkey_vault::account::PasswordRoot;

/// What somebody shows at sign-in.
pub enum Proof {
    /// The server runs the core for this request.
    Password(Zeroizing<String>),
    /// The client ran it: half of what the password was stretched to.
    AuthKey(Secret),
}

/// Somebody signed in.
pub struct SignedIn {
    /// Their tokens.
    pub tokens: TokenPair,
    /// Their account.
    pub account: accounts::AccountView,
    /// The patients that it manages, oldest first.
    pub patients: Vec<PatientId>,
    /// For sealed clients: the seed as the password wraps it.
    pub wrapped_seed: Option<Bytes>,
    /// For sealed clients: the seeds before it, each wrapped under its
    /// successor, newest first.
    pub previous_seeds: Vec<Bytes>,
}

/// How passwords of an address are stretched: the same whether or not anybody
/// has an account there.
///
/// # Errors
/// [`Failure::Limited`].
pub async fn prelogin(
    service: &Service,
    origin: &Origin,
    email: &Email,
) -> Result<(KdfParams, [u8; 16]), SessionFailure> {
    limits::spend(service, Limit::Prelogin, &limits::network(origin.address)).await?;
    Ok((
        KdfParams::from(Params::DEFAULT),
        service.protect().prelogin_salt(email),
    ))
}

/// Signs in: the proof is compared with every account on that address.
///
/// # Errors
/// [`SessionError::Refused`] whatever is wrong; [`Refusal::Disabled`] for
/// whoever proved to own a disabled account; [`Failure::Limited`].
pub async fn sign_in(
    service: &Service,
    origin: &Origin,
    email: Email,
    proof: Proof,
) -> Result<SignedIn, SessionFailure> {
    spend(service, origin, &email).await?;
    let (auth_key, root) = match proof {
        Proof::AuthKey(key) => (key, None),
        Proof::Password(password) => {
            let salt = service.protect().prelogin_salt(&email);
            let kdf = KdfParams::from(Params::DEFAULT);
            let root = stretch::password(service, password, salt, kdf).await?;
            (Secret::from_bytes(*root.auth_key().as_bytes()), Some(root))
        }
    };
    let found = find_by_proof(service, &email, secrets::PASSWORD, &auth_key).await?;
    let Some(row) = found else {
        limits::refused(service, origin, TrailAction::SessionRefuse);
        return Err(SessionError::Refused.into());
    };
    if row.status == "disabled" {
        return Err(Refusal::Disabled.into());
    }
    open_session(service, origin, row, root.as_ref()).await
}

/// One attempt, by address of the client and by e-mail address.
async fn spend(service: &Service, origin: &Origin, email: &Email) -> Result<(), SessionFailure> {
    limits::spend(
        service,
        Limit::LoginAddress,
        &limits::network(origin.address),
    )
    .await?;
    limits::spend(service, Limit::LoginAccount, email.normal()).await
}

/// The account on this address whose stored hash the proof gives. Every
/// account is compared, and one that is not there too.
pub(super) async fn find_by_proof(
    service: &Service,
    email: &Email,
    purpose: &'static str,
    proof: &Secret,
) -> Result<Option<AccountRow>, SessionFailure> {
    let email_hash = service.protect().email_hash(email);
    let there = service
        .store()
        .read("session.candidates", move |reader| {
            account_rows::list_by_email(reader, &email_hash)
        })
        .await
        .map_err(|error: StoreError| SessionFailure::from(error))?;
    let protect = service.protect();
    let nobody = protect.proof_hash(purpose, AccountId::NIL.0, proof.as_bytes());
    let mut found = None;
    for row in there {
        let stored = match purpose {
            secrets::PASSWORD => row.auth_hash,
            _ => row.recovery_auth_hash,
        };
        let given = protect.proof_hash(purpose, row.id.0, proof.as_bytes());
        if bool::from(stored.unwrap_or(nobody).ct_eq(&given)) && stored.is_some() {
            found = Some(row);
        }
    }
    Ok(found)
}

/// A session for whoever proved to own the account. `root` is there for
/// assisted clients, whose seed the session keeps.
async fn open_session(
    service: &Service,
    origin: &Origin,
    row: AccountRow,
    root: Option<&PasswordRoot>,
) -> Result<SignedIn, SessionFailure> {
    let wrapped = row
        .wrapped_seed_password
        .clone()
        .map(Bytes)
        .ok_or(Failure::Internal("an account without a wrapped seed"))?;
    let opened = root
        .map(|root| root.unlock(row.id.0, &wrapped))
        .transpose()?;
    let account =
        accounts::view(service, &row).map_err(|failure| failure.map(|_| SessionError::Refused))?;
    let made = NewSession::make(service, row.id, opened.as_ref(), origin);
    let tokens = made.tokens(service);
    let (this, mut rng, origin) = (service.clone(), service.rng(), origin.clone());
    let (patients, previous_seeds) = service
        .store()
        .write("session.create", move |tx| {
            let known = is_known_device(tx, &this, row.id, origin.agent.as_deref())?;
            insert(tx, &made, &origin, &mut rng)?;
            if !known && row.email_verified_at.is_some() {
                let to =
                    this.protect()
                        .open_text(columns::ACCOUNT_EMAIL, row.id.0, &row.email_p)?;
                let content = Content::NewSession {
                    device: origin.agent.clone(),
                    at: made.row.created_at,
                };
                mail::queue(tx, &this, &to, &content, made.row.created_at, &mut rng)?;
            }
            Ok::<_, SessionFailure>((managed(tx, row.id)?, previous_seeds(tx, row.id)?))
        })
        .await?;
    Ok(SignedIn {
        tokens,
        account,
        patients,
        wrapped_seed: root.is_none().then_some(wrapped),
        previous_seeds,
    })
}

/// The seeds before the present one, newest first.
pub(super) fn previous_seeds(tx: &mut Tx, account: AccountId) -> Result<Vec<Bytes>, StoreError> {
    let seeds = account_rows::list_seeds(tx, account)?;
    Ok(seeds.into_iter().map(Bytes).collect())
}

/// The patients that an account manages, oldest first.
pub(super) fn managed(tx: &mut Tx, account: AccountId) -> Result<Vec<PatientId>, StoreError> {
    let rows = patients::list_managed(tx, account)?;
    Ok(rows.iter().map(|row| row.id).collect())
}

/// Whether a client that calls itself so signed in before; the first ever
/// counts as known.
fn is_known_device(
    tx: &mut Tx,
    service: &Service,
    account: AccountId,
    agent: Option<&str>,
) -> Result<bool, SessionFailure> {
    let before = rows::list_recent(tx, account, 50)?;
    if before.is_empty() {
        return Ok(true);
    }
    for row in before {
        let device = service.protect().open_optional(
            columns::SESSION_DEVICE,
            row.id.0,
            row.device_p.as_deref(),
        )?;
        if device.as_ref().map(|text| text.as_str()) == agent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A session that is about to be written, with what its tokens carry.
pub(super) struct NewSession {
    pub(super) row: SessionRow,
    access: Secret,
    refresh: Secret,
}

impl NewSession {
    /// `opened` is there for assisted clients.
    pub(super) fn make(
        service: &Service,
        account: AccountId,
        opened: Option<&AccountSecrets>,
        origin: &Origin,
    ) -> Self {
        let (now, mut rng) = (service.now(), service.rng());
        let id = SessionId::new(now.as_millisecond().unsigned_abs(), &mut rng);
        let (access, refresh) = (Secret::random(&mut rng), Secret::random(&mut rng));
        let mut wrapped = |purpose, token: &Secret| {
            opened.map(|opened| wrap_seed(service, purpose, id, opened, token, &mut rng))
        };
        let (access_seed, refresh_seed) = (wrapped(ACCESS, &access), wrapped(REFRESH, &refresh));
        let mut protected = |column, text: &str| {
            service
                .protect()
                .seal(column, id.0, text.as_bytes(), &mut rng)
        };
        let row = SessionRow {
            id,
            account,
            family: id,
            created_at: now,
            auth_time: now,
            last_seen_at: now,
            expires_at: after(now, SESSION_TTL_SECS),
            ended_at: None,
            refresh_hash: refresh::hash(service, id, &refresh),
            refresh_used: 0,
            previous_refresh_hash: None,
            access_seed,
            refresh_seed,
            previous_access_seed: None,
            previous_access_until: None,
            device_p: origin
                .agent
                .as_deref()
                .map(|agent| protected(columns::SESSION_DEVICE, agent)),
            ip_p: Some(protected(columns::SESSION_IP, &origin.address.to_string())),
            assisted: opened.is_some(),
        };
        Self {
            row,
            access,
            refresh,
        }
    }

    /// Its first pair of tokens.
    pub(super) fn tokens(&self, service: &Service) -> TokenPair {
        TokenPair {
            access: AccessGrant {
                account: self.row.account,
                session: self.row.id,
                auth_time: self.row.auth_time,
                expires_at: after(self.row.created_at, ACCESS_TTL_SECS),
                secret: self.access.clone(),
            },
            refresh: refresh::to_text(service, self.row.id, &self.refresh),
        }
    }
}

/// Writes a session and tells the trail.
pub(super) fn insert(
    tx: &mut Tx,
    made: &NewSession,
    origin: &Origin,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    rows::insert(tx, &made.row)?;
    let actor = TrailActor::Account(made.row.account);
    let entry = NewEntry::new(TrailAction::SessionCreate, made.row.created_at, actor)
        .session(made.row.id)
        .from(origin.address)
        .detail("assisted", Detail::Flag(made.row.assisted));
    trail::append(tx, entry, rng)?;
    Ok(())
}
