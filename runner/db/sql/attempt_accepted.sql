-- The API gave a request_id. An attempt that has one keeps it: a reply that is recorded twice counts once.
-- v(job_id BIGINT, attempt INT, request_id TEXT, sent_at_ms BIGINT, accepted_at_ms BIGINT)
UPDATE attempts
SET request_id = v.request_id,
    sent_at_ms = v.sent_at_ms,
    accepted_at_ms = v.accepted_at_ms,
    outcome = CASE WHEN outcome = 'marked' THEN 'accepted' ELSE outcome END
FROM v
WHERE attempts.job_id = v.job_id
  AND attempts.attempt = v.attempt
  AND attempts.request_id IS NULL
RETURNING attempts.job_id
