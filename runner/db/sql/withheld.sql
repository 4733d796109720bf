-- withheld: not sent, since its model was refused before in this run. Its attempt may be on record.
-- v(id BIGINT, gen INT, source TEXT, due_at_ms BIGINT, error_code TEXT)
UPDATE jobs
SET state = 'held',
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    error_code = v.error_code
FROM v
WHERE jobs.id = v.id
  AND jobs.state = v.source
  AND jobs.lease_gen = v.gen  -- fenced: a late worker changes nothing
  AND v.source IN ('pending', 'submitting')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
