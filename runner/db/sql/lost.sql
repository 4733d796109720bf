-- lost: the API took the request and has no result of it any more; an extra.
-- v(id BIGINT, gen INT, target TEXT, due_at_ms BIGINT, error_code TEXT)
UPDATE jobs
SET state = v.target,
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    error_code = v.error_code,
    extras = jobs.extras + 1
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'collecting'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen           -- fenced: a late worker changes nothing
  AND v.target IN ('pending', 'held')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
