-- abandon: by the user, who leaves an answer where it is. The lease of a fetch is void.
-- v(id BIGINT, source TEXT, finished_at_ms BIGINT)
UPDATE jobs
SET state = 'cancelled',
    lease_owner = NULL,
    lease_until_ms = NULL,
    lease_gen = jobs.lease_gen + 1,
    finished_at_ms = v.finished_at_ms
FROM v
WHERE jobs.id = v.id
  AND jobs.state = v.source
  AND v.source IN ('waiting', 'collecting')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
