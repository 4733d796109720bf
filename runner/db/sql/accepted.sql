-- accepted: the API took the request and gave its request_id.
-- v(id BIGINT, gen INT, request_id TEXT, accepted_at_ms BIGINT, due_at_ms BIGINT)
UPDATE jobs
SET state = 'waiting',
    lease_owner = NULL,
    lease_until_ms = NULL,
    request_id = v.request_id,
    accepted_at_ms = v.accepted_at_ms,
    due_at_ms = v.due_at_ms
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'submitting'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen           -- fenced: a late worker changes nothing
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
