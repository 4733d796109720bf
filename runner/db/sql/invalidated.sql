-- invalidated: by the user. The answer that the job succeeded by does not fit the labels any more.
-- v(id BIGINT, answered_by INT)
UPDATE jobs
SET state = 'failed',
    error_code = 'invalid'
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'succeeded'  -- || '': found by id, by no partial index
  AND jobs.answered_by = v.answered_by
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
