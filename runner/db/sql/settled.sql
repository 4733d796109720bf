-- succeeded, unusable, generation_failed: the stored result was classified. It spends an attempt.
-- v(id BIGINT, target TEXT, due_at_ms BIGINT, finished_at_ms BIGINT, error_code TEXT, answered_by INT,
--   extras INT)
UPDATE jobs
SET state = v.target,
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    finished_at_ms = v.finished_at_ms,
    error_code = v.error_code,
    answered_by = CASE WHEN v.finished_at_ms IS NULL THEN NULL ELSE v.answered_by END,
    spent = jobs.spent + 1,
    extras = jobs.extras + v.extras
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'stored'  -- || '': found by id, by no partial index
  AND jobs.answered_by = v.answered_by  -- too late where another result is stored now
  AND v.target IN ('succeeded', 'pending', 'failed', 'held')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
