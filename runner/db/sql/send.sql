-- send: the attempt is on record, and the POST leaves now.
-- v(id BIGINT, gen INT, lease_until_ms BIGINT, reserved_ticks BIGINT)
UPDATE jobs
SET state = 'submitting',
    lease_until_ms = v.lease_until_ms,
    attempt = jobs.attempt + 1,
    reserved_ticks = v.reserved_ticks,
    polls = 0,
    misses = 0,
    request_id = NULL,
    accepted_at_ms = NULL,
    interrupted_at_ms = NULL
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'pending'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen        -- fenced: a late worker changes nothing
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
