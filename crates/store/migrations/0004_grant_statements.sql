-- A grant names the statement by which it was made, so that opening a link
-- looks for it by its place in the chain and not through every statement.
ALTER TABLE grants ADD COLUMN statement_seq BIGINT;
UPDATE grants SET statement_seq = (
    SELECT MIN(s.seq) FROM patient_statements s
    WHERE s.patient_id = grants.patient_id AND s.kind = 'grant'
      AND s.body LIKE '%"grant":"'
        || substr(lower_hex(grants.id), 1, 8) || '-' || substr(lower_hex(grants.id), 9, 4) || '-'
        || substr(lower_hex(grants.id), 13, 4) || '-' || substr(lower_hex(grants.id), 17, 4) || '-'
        || substr(lower_hex(grants.id), 21, 12) || '"%');

-- Requests that wait are `pending`. Several of one provider may: no longer
-- unique, which it never was, since no request was ever `open`.
DROP INDEX access_requests_open;
CREATE INDEX access_requests_pending ON access_requests (patient_id, provider_id, created_at) WHERE status = 'pending';
