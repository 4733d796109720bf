-- refused_for_now: the API may take the request later; 409, 425 and 499 spend an attempt.
-- v(id BIGINT, gen INT, due_at_ms BIGINT, spent INT)
UPDATE jobs
SET state = 'pending',
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    spent = jobs.spent + v.spent
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'submitting'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen           -- fenced: a late worker changes nothing
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
