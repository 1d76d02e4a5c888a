-- The whole schema, for SQLite and PostgreSQL alike.
--
-- Ids are 16 bytes (UUIDv7), hashes and tags 32. Columns that end in _p are
-- protected under the server's key (which table, column and row they belong
-- to is bound in). Times are milliseconds since 1970; flags are 0 or 1;
-- lists are JSON text. "sealed" and "wrapped" columns are ciphertext that the
-- server cannot open by itself.
--
-- A table ends in /*rows*/, or in /*clustered*/ where its small rows are best
-- kept in the order of the primary key.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) /*clustered*/;

-- Accounts and their key history ---------------------------------------------

CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    email_p BLOB NOT NULL,
    email_hash BLOB NOT NULL,
    name_p BLOB NOT NULL,
    status TEXT NOT NULL,                 -- pending active disabled invited
    email_verified_at BIGINT,
    provider_type_p BLOB,
    license_number_p BLOB,
    license_country TEXT,
    organization_p BLOB,
    directory_p BLOB,                     -- what the provider directory shows
    verification TEXT NOT NULL,           -- none pending approved rejected suspended
    verified_at BIGINT,
    verification_reason_p BLOB,
    kdf_m_kib BIGINT,
    kdf_t BIGINT,
    kdf_p BIGINT,
    auth_hash BLOB,
    wrapped_seed_password BLOB,
    recovery_auth_hash BLOB,
    wrapped_seed_recovery BLOB,
    kem_public BLOB,
    sign_public BLOB,
    preferences_p BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*rows*/;
-- Anybody may register any address; only one account may prove that it is theirs.
CREATE UNIQUE INDEX accounts_email ON accounts (email_hash) WHERE email_verified_at IS NOT NULL;
CREATE INDEX accounts_email_any ON accounts (email_hash);
CREATE INDEX accounts_verification ON accounts (verification, created_at);
CREATE INDEX accounts_created ON accounts (created_at);

CREATE TABLE account_statements (
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    body TEXT NOT NULL,
    signature BLOB NOT NULL,
    cosignature BLOB,
    hash BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, seq)
) /*rows*/;

-- The seeds before an account's present one, each wrapped under its successor.
CREATE TABLE account_seeds (
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,                  -- of the statement that replaced it
    wrapped BLOB NOT NULL,
    PRIMARY KEY (account_id, seq)
) /*clustered*/;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    family BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    auth_time BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    refresh_hash BLOB NOT NULL,
    refresh_used BIGINT NOT NULL,
    previous_refresh_hash BLOB,
    access_seed BLOB,                     -- wrapped under secrets that tokens carry
    refresh_seed BLOB,
    previous_access_seed BLOB,
    previous_access_until BIGINT,
    device_p BLOB,
    ip_p BLOB,
    assisted BIGINT NOT NULL
) /*rows*/;
CREATE UNIQUE INDEX sessions_refresh ON sessions (refresh_hash);
CREATE INDEX sessions_previous_refresh ON sessions (previous_refresh_hash) WHERE previous_refresh_hash IS NOT NULL;
CREATE INDEX sessions_account ON sessions (account_id, created_at);
CREATE INDEX sessions_family ON sessions (family);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE one_time_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id BLOB,
    data_p BLOB,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
) /*rows*/;
CREATE INDEX one_time_tokens_account ON one_time_tokens (account_id, purpose);
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

-- Patients, their managers and their chain of statements ---------------------

CREATE TABLE patients (
    id BLOB NOT NULL PRIMARY KEY,
    owner_account BLOB,
    generation BIGINT NOT NULL,
    grants_version BIGINT NOT NULL,
    head_hash BLOB,
    assisted_access BIGINT NOT NULL,
    name_p BLOB,
    birth_date_p BLOB,
    contact_p BLOB,
    claimed BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX patients_owner ON patients (owner_account);

CREATE TABLE patient_managers (
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    account_id BLOB NOT NULL,
    generation BIGINT NOT NULL,
    sealed_seed BLOB NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (patient_id, account_id)
) /*rows*/;
CREATE INDEX patient_managers_account ON patient_managers (account_id);

-- The seeds of earlier generations, each wrapped under its successor.
CREATE TABLE patient_seeds (
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (patient_id, generation)
) /*clustered*/;

CREATE TABLE patient_statements (
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    signature BLOB NOT NULL,
    cosignature BLOB,
    hash BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (patient_id, seq)
) /*rows*/;

CREATE TABLE epochs (
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    compartment TEXT NOT NULL,
    generation BIGINT NOT NULL,
    n BIGINT NOT NULL,
    previous_wrapped BLOB,
    begun_at BIGINT NOT NULL,
    PRIMARY KEY (patient_id, compartment, generation, n)
) /*clustered*/;

-- Grants: keyrings sealed to a principal; links are grants too ----------------

CREATE TABLE grants (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    holder_kind TEXT NOT NULL,            -- account link
    holder_account BLOB,
    holder_salt BLOB NOT NULL,
    grant_key BLOB NOT NULL,
    types TEXT NOT NULL,
    kinds BIGINT NOT NULL,
    by_records BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    may_download BIGINT NOT NULL,
    write_types TEXT NOT NULL,
    may_reshare BIGINT NOT NULL,
    parent_id BLOB,
    created_by BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_reason TEXT,
    keyring BLOB NOT NULL,
    cover BLOB,
    cover_wrap BLOB,
    access_count BIGINT NOT NULL,
    download_count BIGINT NOT NULL,
    last_accessed_at BIGINT,
    last_downloaded_at BIGINT,
    expiry_notified_at BIGINT
) /*rows*/;
CREATE INDEX grants_patient ON grants (patient_id, created_at);
CREATE INDEX grants_patient_holder ON grants (patient_id, holder_account);
CREATE INDEX grants_holder ON grants (holder_account, created_at) WHERE holder_account IS NOT NULL;
CREATE INDEX grants_expiry ON grants (expires_at) WHERE ended_at IS NULL;
CREATE INDEX grants_parent ON grants (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE grant_holds (
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    compartment TEXT NOT NULL,
    generation BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (grant_id, compartment, generation, n)
) /*clustered*/;

CREATE TABLE grant_records (
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    record_id BLOB NOT NULL,
    PRIMARY KEY (grant_id, record_id)
) /*clustered*/;
CREATE INDEX grant_records_record ON grant_records (record_id);

CREATE TABLE links (
    grant_id BLOB NOT NULL PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
    token TEXT NOT NULL,                  -- tells nothing but whether the link lives
    auth_hash BLOB NOT NULL,
    form TEXT NOT NULL,                   -- M U
    passcode_hash TEXT,
    passcode_left BIGINT,
    max_accesses BIGINT,
    recipient_email_p BLOB,
    recipient_name_p BLOB,
    label_p BLOB,
    message_state TEXT,
    mail_state TEXT,
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE UNIQUE INDEX links_token ON links (token);

CREATE TABLE link_views (
    id BLOB NOT NULL PRIMARY KEY,
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    recipient_p BLOB
) /*rows*/;
CREATE INDEX link_views_grant ON link_views (grant_id);
CREATE INDEX link_views_expiry ON link_views (expires_at);

CREATE TABLE link_files (
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    record_type TEXT NOT NULL,
    file_id BLOB NOT NULL,
    jwe BLOB NOT NULL,
    last_updated BIGINT NOT NULL,
    stale BIGINT NOT NULL,
    PRIMARY KEY (grant_id, record_type)
) /*rows*/;
CREATE UNIQUE INDEX link_files_file ON link_files (file_id);

CREATE TABLE file_tickets (
    id BLOB NOT NULL PRIMARY KEY,         -- hash of the ticket
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    record_type TEXT NOT NULL,
    expires_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX file_tickets_grant ON file_tickets (grant_id);
CREATE INDEX file_tickets_expiry ON file_tickets (expires_at);

CREATE TABLE access_requests (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    provider_id BLOB NOT NULL,
    types TEXT NOT NULL,
    kinds BIGINT NOT NULL,
    write_types TEXT NOT NULL,
    purpose TEXT NOT NULL,
    message_sealed BLOB,
    wanted_until BIGINT,
    status TEXT NOT NULL,                 -- open approved denied withdrawn expired
    grant_id BLOB,
    created_at BIGINT NOT NULL,
    answered_at BIGINT
) /*rows*/;
CREATE INDEX access_requests_patient ON access_requests (patient_id, created_at);
CREATE INDEX access_requests_provider ON access_requests (provider_id, created_at);
CREATE UNIQUE INDEX access_requests_open ON access_requests (patient_id, provider_id) WHERE status = 'open';

-- Sealed records ---------------------------------------------------------------

CREATE TABLE batches (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    compartment TEXT NOT NULL,
    generation BIGINT,
    n BIGINT,
    wrapped BLOB,
    author_account BLOB,
    author_kind TEXT NOT NULL,
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX batches_compartment ON batches (patient_id, compartment, generation, n);
-- Sealed directly, and waiting for a manager.
CREATE INDEX batches_waiting ON batches (patient_id, compartment, id, generation) WHERE generation IS NULL;

-- The batch key sealed to principals that do not hold the compartment.
CREATE TABLE envelopes (
    batch_id BLOB NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    to_kind TEXT NOT NULL,                -- inbox grant account destination
    to_id BLOB NOT NULL,
    generation BIGINT,
    sealed BLOB NOT NULL,
    PRIMARY KEY (batch_id, to_kind, to_id)
) /*rows*/;
CREATE INDEX envelopes_to ON envelopes (to_kind, to_id);

CREATE TABLE records (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    compartment TEXT NOT NULL,
    record_type TEXT NOT NULL,
    kinds BIGINT NOT NULL,
    supporting BIGINT NOT NULL,
    version BIGINT NOT NULL,
    identity_tag BLOB,
    source TEXT NOT NULL,
    source_id BLOB,
    author_account BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
) /*rows*/;
-- The tag stands before the compartment: imports look tags up by the thousand.
CREATE UNIQUE INDEX records_identity ON records (patient_id, identity_tag, compartment) WHERE deleted_at IS NULL;
CREATE INDEX records_patient ON records (patient_id, updated_at, id);
CREATE INDEX records_patient_type ON records (patient_id, record_type, updated_at, id);
CREATE INDEX records_author ON records (author_account) WHERE author_account IS NOT NULL;
CREATE INDEX records_source ON records (source_id) WHERE source_id IS NOT NULL;

CREATE TABLE versions (
    record_id BLOB NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    batch_id BLOB NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    header BLOB NOT NULL,
    blob_id BLOB,
    size BIGINT NOT NULL,
    commitment BLOB NOT NULL,
    content_tag BLOB,
    sealed_hash BLOB NOT NULL,
    author_account BLOB,
    sealed_by TEXT NOT NULL,              -- account server grantee
    created_at BIGINT NOT NULL,
    -- Last, so that lists of headers do not walk over bodies.
    body BLOB,
    PRIMARY KEY (record_id, version)
) /*rows*/;
CREATE INDEX versions_batch ON versions (batch_id);
CREATE INDEX versions_content ON versions (content_tag) WHERE content_tag IS NOT NULL;
-- A blob is the body of one version: deleting a record deletes no other's.
CREATE UNIQUE INDEX versions_blob ON versions (blob_id) WHERE blob_id IS NOT NULL;

-- The key of a single version sealed to a grant that covers just this record.
CREATE TABLE version_envelopes (
    record_id BLOB NOT NULL,
    version BIGINT NOT NULL,
    grant_id BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    PRIMARY KEY (record_id, version, grant_id),
    FOREIGN KEY (record_id, version) REFERENCES versions (record_id, version) ON DELETE CASCADE
) /*rows*/;
CREATE INDEX version_envelopes_grant ON version_envelopes (grant_id);

CREATE TABLE blobs (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL,                  -- open finished
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX blobs_patient ON blobs (patient_id);
CREATE INDEX blobs_state ON blobs (state, created_at);

-- Work, limits, events -----------------------------------------------------------

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload_p BLOB NOT NULL,
    dedupe_key TEXT,
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    lease_until BIGINT,
    lease_by BLOB,
    state TEXT NOT NULL,                  -- ready running done dead needs_sender
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*rows*/;
-- A key is free again once its job is done or dead.
CREATE UNIQUE INDEX jobs_dedupe ON jobs (dedupe_key) WHERE state IN ('ready', 'running', 'needs_sender');
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'ready';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_state ON jobs (state, updated_at);

CREATE TABLE idempotency (
    key_hash BLOB NOT NULL PRIMARY KEY,
    account_id BLOB,
    operation TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status BIGINT NOT NULL,
    ids TEXT NOT NULL,
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX idempotency_created ON idempotency (created_at);

CREATE TABLE rate_limits (
    bucket_hash BLOB NOT NULL,
    window_start BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (bucket_hash, window_start)
) /*clustered*/;
CREATE INDEX rate_limits_window ON rate_limits (window_start);

CREATE TABLE refusals (
    minute BIGINT NOT NULL,
    source_hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (minute, source_hash, kind)
) /*clustered*/;

CREATE TABLE events (
    id BIGINT NOT NULL PRIMARY KEY,       -- counts up in the order of commits
    account_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    subject_id BLOB,
    created_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX events_account ON events (account_id, id);
CREATE INDEX events_created ON events (created_at);

-- The trail: two append-only logs (0 trail, 1 keys) --------------------------------

CREATE TABLE ledger (
    log BIGINT NOT NULL,
    leaf_index BIGINT NOT NULL,
    at BIGINT NOT NULL,
    salt BLOB,
    entry TEXT NOT NULL,                  -- the exact bytes that were hashed
    leaf_hash BLOB NOT NULL,
    chain_hash BLOB NOT NULL,             -- over this leaf and all before it
    patient_id BLOB,
    actor_id BLOB,
    action TEXT NOT NULL,
    grant_id BLOB,
    record_id BLOB,
    PRIMARY KEY (log, leaf_index)
) /*clustered*/;
CREATE INDEX ledger_patient ON ledger (patient_id, leaf_index) WHERE patient_id IS NOT NULL;
CREATE INDEX ledger_actor ON ledger (actor_id, leaf_index) WHERE actor_id IS NOT NULL;
CREATE INDEX ledger_grant ON ledger (grant_id, leaf_index) WHERE grant_id IS NOT NULL;
CREATE INDEX ledger_action ON ledger (action, leaf_index);
CREATE INDEX ledger_at ON ledger (log, at, leaf_index);

-- Hashes of complete subtrees of 256, 65536, … leaves (level 8, 16, …).
CREATE TABLE ledger_tiles (
    log BIGINT NOT NULL,
    level BIGINT NOT NULL,
    tile_index BIGINT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (log, level, tile_index)
) /*clustered*/;

CREATE TABLE ledger_state (
    log BIGINT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    frontier BLOB NOT NULL
) /*rows*/;

CREATE TABLE checkpoints (
    log BIGINT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (log, size)
) /*clustered*/;
