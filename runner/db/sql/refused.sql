-- refused: for the job's own fault, which spends an attempt; or held for its model, which spends none.
-- v(id BIGINT, gen INT, target TEXT, due_at_ms BIGINT, finished_at_ms BIGINT, error_code TEXT, spent INT)
UPDATE jobs
SET state = v.target,
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    finished_at_ms = v.finished_at_ms,
    error_code = v.error_code,
    spent = jobs.spent + v.spent
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'submitting'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen           -- fenced: a late worker changes nothing
  AND v.target IN ('failed', 'held')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
