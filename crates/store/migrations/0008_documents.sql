-- Documents asked for, passed on and taken back.

-- Requests to providers for a patient's documents, answered by a link. Of the
-- link only a hash is kept, and what it shows is sealed under it.
CREATE TABLE document_requests (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    asked_by BLOB NOT NULL,
    types TEXT NOT NULL,                  -- empty: whatever there is
    to_p BLOB,                            -- whom a mail went to, protected
    way TEXT NOT NULL,                    -- link email
    token_hash BLOB NOT NULL,
    words_sealed BLOB NOT NULL,           -- for whoever has the link
    message_sealed BLOB NOT NULL,         -- to the patient's inbox
    sync_id BLOB,                         -- the wider synchronisation that came first
    state TEXT NOT NULL,                  -- open answered closed cancelled expired
    documents BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    answered_at BIGINT                    -- when the newest document came
) /*rows*/;
CREATE UNIQUE INDEX document_requests_token ON document_requests (token_hash);
CREATE INDEX document_requests_patient ON document_requests (patient_id, created_at);
CREATE INDEX document_requests_asked_by ON document_requests (asked_by, created_at);
CREATE INDEX document_requests_expiry ON document_requests (state, expires_at);

-- A document that its author took back: kept, and the patient's alone.
ALTER TABLE records ADD COLUMN withdrawn_at BIGINT;

-- A request for access that somebody makes for somebody else, about one record.
ALTER TABLE access_requests ADD COLUMN for_account BLOB;
ALTER TABLE access_requests ADD COLUMN record_id BLOB;
