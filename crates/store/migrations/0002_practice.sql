-- Charts: patients whom a practitioner opened, and how they come to own them.

CREATE TABLE charts (
    patient_id BLOB NOT NULL PRIMARY KEY REFERENCES patients (id) ON DELETE CASCADE,
    opened_by BLOB NOT NULL,
    email_p BLOB,
    email_hash BLOB,
    platform_id_p BLOB,                   -- what the practice's platform calls the patient
    invite_hash BLOB,                     -- of the token in the newest invitation
    invited_until BIGINT,
    claim_auth BLOB,                      -- keyed hash of what a claim sheet proves
    claim_wrap BLOB,                      -- the seed, wrapped under the sheet's key
    expires_at BIGINT,                    -- of an unclaimed chart
    warned_at BIGINT,
    claimed_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*rows*/;
CREATE INDEX charts_opened_by ON charts (opened_by, created_at);
CREATE INDEX charts_invite ON charts (invite_hash);
CREATE INDEX charts_expiry ON charts (expires_at);

CREATE TABLE claims (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    account_id BLOB NOT NULL,
    state TEXT NOT NULL,                  -- asked confirmed refused done
    sealed_seed BLOB,                     -- to the claimant, once confirmed
    asked_at BIGINT NOT NULL,
    answered_at BIGINT,
    answered_by BLOB
) /*rows*/;
CREATE INDEX claims_patient ON claims (patient_id, state);
CREATE INDEX claims_account ON claims (account_id, state);

-- What the practice API keeps of an account beyond the account itself.
CREATE TABLE practice_users (
    account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    platform_id_p BLOB,
    invited_by BLOB,
    replaced_by BLOB                      -- the account that the invited person made
) /*rows*/;
