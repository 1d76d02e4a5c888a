-- Synchronisation: sources and destinations, runs, the ledger of deliveries.
--
-- Nothing here is medical content, and nothing opens any: a waiting delivery's
-- envelope is sealed to its destination, whose seed is protected.

CREATE TABLE connections (
    id BLOB NOT NULL PRIMARY KEY,
    owner_account BLOB NOT NULL,
    direction TEXT NOT NULL,              -- source destination
    kind TEXT NOT NULL,
    name_p BLOB NOT NULL,
    base_url_p BLOB NOT NULL,
    host_hash BLOB NOT NULL,              -- keyed: limits and breakers are per host
    auth TEXT NOT NULL,                   -- the kind of credentials
    credentials_p BLOB NOT NULL,
    settings TEXT NOT NULL,
    schedule TEXT NOT NULL,
    state TEXT NOT NULL,                  -- ok needs_attention paused
    problem TEXT,
    hands_off BIGINT NOT NULL,            -- takes no documents: a person files them
    secret_p BLOB NOT NULL,               -- a source's dedup key, a destination's seed
    public_key BLOB,                      -- a destination's
    discovered_p BLOB,
    discovered_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX connections_owner ON connections (owner_account, created_at);

CREATE TABLE connection_patients (
    connection_id BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    remote_p BLOB,                        -- the patient's id there
    types TEXT NOT NULL,
    kinds BIGINT NOT NULL,
    authorization_p BLOB,
    attached_by BLOB NOT NULL,
    grant_id BLOB,                        -- absent for a manager
    statement TEXT,                       -- a destination's
    signature BLOB,
    state TEXT NOT NULL,                  -- ok needs_attention paused
    problem TEXT,
    next_due BIGINT,
    last_run_at BIGINT,
    last_full_at BIGINT,
    cursors TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, patient_id)
) /*rows*/;
CREATE INDEX connection_patients_patient ON connection_patients (patient_id);
CREATE INDEX connection_patients_due ON connection_patients (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX connection_patients_grant ON connection_patients (grant_id) WHERE grant_id IS NOT NULL;

-- Tokens of a connection, or of one patient on it (SMART); one may refresh.
CREATE TABLE connection_tokens (
    connection_id BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    patient_id BLOB NOT NULL,             -- nil for the whole connection
    state_p BLOB,
    lapsed BIGINT NOT NULL,
    turn_by BLOB,
    turn_until BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, patient_id)
) /*rows*/;

CREATE TABLE sync_runs (
    id BLOB NOT NULL PRIMARY KEY,
    sync_id BLOB NOT NULL,                -- what was asked for, over all connections
    connection_id BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    owner_account BLOB NOT NULL,          -- the connection's: turns are taken by owner
    reason TEXT NOT NULL,                 -- schedule manual webhook
    asked_by BLOB,
    whole BIGINT NOT NULL,                -- everything is listed anew
    state TEXT NOT NULL,                  -- queued running done partial failed
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    lease_by BLOB,
    lease_until BIGINT,
    checkpoint_p BLOB,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    problem TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT
) /*rows*/;
-- One at a time for a patient on a connection.
CREATE UNIQUE INDEX sync_runs_active ON sync_runs (connection_id, patient_id) WHERE state IN ('queued', 'running');
CREATE INDEX sync_runs_due ON sync_runs (run_at) WHERE state = 'queued';
CREATE INDEX sync_runs_leases ON sync_runs (lease_until) WHERE state = 'running';
CREATE INDEX sync_runs_sync ON sync_runs (sync_id);
CREATE INDEX sync_runs_patient ON sync_runs (patient_id, created_at);
CREATE INDEX sync_runs_finished ON sync_runs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE sync_log (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    connection_id BLOB,
    sync_id BLOB,
    record_id BLOB,
    version BIGINT,
    action TEXT NOT NULL,                 -- manual sync, automatic update, push, request
    status TEXT NOT NULL,                 -- success error pending
    step TEXT NOT NULL,
    why TEXT,
    counts TEXT NOT NULL,
    at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX sync_log_patient ON sync_log (patient_id, at, id);
CREATE INDEX sync_log_sync ON sync_log (sync_id) WHERE sync_id IS NOT NULL;

-- What a source has, by keyed tag, and the record that it became.
CREATE TABLE source_items (
    connection_id BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    tag BLOB NOT NULL,
    record_id BLOB NOT NULL,
    served_tag BLOB NOT NULL,             -- of what was served
    content_tag BLOB NOT NULL,            -- of what it came to, attachments and all
    query TEXT NOT NULL,
    changed_at BIGINT,                    -- as the source says
    seen_at BIGINT NOT NULL,
    missed BIGINT NOT NULL,               -- whole lists in a row without it
    missing_since BIGINT,
    PRIMARY KEY (connection_id, patient_id, tag)
) /*clustered*/;
CREATE INDEX source_items_record ON source_items (record_id);

-- One version on its way to one destination: the ledger.
CREATE TABLE deliveries (
    id BLOB NOT NULL PRIMARY KEY,
    connection_id BLOB NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    record_id BLOB NOT NULL,
    version BIGINT NOT NULL,
    operation TEXT NOT NULL,              -- put remove
    dedupe_key TEXT NOT NULL,
    state TEXT NOT NULL,                  -- owed ready sending done needs_review handed_off dead cancelled superseded
    envelope BLOB,
    sealed_at BIGINT,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    lease_by BLOB,
    lease_until BIGINT,
    unsure BIGINT NOT NULL,               -- the last attempt may have been acted upon
    resume_p BLOB,
    remote_p BLOB,                        -- the document's id there
    removed_at BIGINT,
    problem TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    done_at BIGINT
) /*rows*/;
CREATE UNIQUE INDEX deliveries_dedupe ON deliveries (connection_id, dedupe_key);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'ready';
CREATE INDEX deliveries_leases ON deliveries (lease_until) WHERE state = 'sending';
CREATE INDEX deliveries_patient ON deliveries (patient_id, state);
CREATE INDEX deliveries_record ON deliveries (record_id, connection_id);
CREATE INDEX deliveries_connection ON deliveries (connection_id, state, updated_at);
CREATE INDEX deliveries_sealed ON deliveries (sealed_at) WHERE envelope IS NOT NULL;

-- How much may be asked of a host, and whether it answers.
CREATE TABLE sync_hosts (
    host_hash BLOB NOT NULL PRIMARY KEY,
    drops BIGINT NOT NULL,                -- thousandths of a request
    filled_at BIGINT NOT NULL,
    until_at BIGINT,                      -- left alone until then
    failures BIGINT NOT NULL,             -- in a row: the breaker
    updated_at BIGINT NOT NULL
) /*rows*/;
