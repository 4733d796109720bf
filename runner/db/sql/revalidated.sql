-- revalidated: by the user. An answer that did not fit the labels does now; nothing is sent.
-- v(id BIGINT, answered_by INT)
UPDATE jobs
SET state = 'succeeded',
    error_code = NULL,
    answered_by = v.answered_by
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'failed'  -- || '': found by id, by no partial index
  AND jobs.error_code = 'invalid'
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
