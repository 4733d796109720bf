-- stored: never fenced, a paid answer is kept whoever brings it. The code of a cancelled job
-- says so until it is settled: it is not sent again.
-- v(id BIGINT, source TEXT, answered_by INT)
UPDATE jobs
SET state = 'stored',
    lease_owner = NULL,
    lease_until_ms = NULL,
    lease_gen = jobs.lease_gen + 1,
    answered_by = v.answered_by,
    settle_tries = 0,
    finished_at_ms = NULL,
    error_code = CASE WHEN jobs.state = 'cancelled' THEN 'cancelled' END
FROM v
WHERE jobs.id = v.id
  AND jobs.state = v.source
  AND v.source IN ('pending', 'submitting', 'waiting', 'collecting', 'held', 'cancelled')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
