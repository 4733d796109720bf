-- invalid: the stored result does not fit the labels. Asking again spends no attempt and is no extra.
-- v(id BIGINT, target TEXT, due_at_ms BIGINT, finished_at_ms BIGINT, error_code TEXT, answered_by INT,
--   ask_tokens INT)
UPDATE jobs
SET state = v.target,
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    finished_at_ms = v.finished_at_ms,
    error_code = v.error_code,
    answered_by = CASE WHEN v.finished_at_ms IS NULL THEN NULL ELSE v.answered_by END,
    asks = jobs.asks + CASE WHEN v.target = 'pending' THEN 1 ELSE 0 END,
    asked_after = CASE WHEN v.target = 'pending' THEN v.answered_by ELSE jobs.asked_after END,
    ask_tokens = CASE WHEN v.target = 'pending' THEN v.ask_tokens ELSE jobs.ask_tokens END
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'stored'  -- || '': found by id, by no partial index
  AND jobs.answered_by = v.answered_by  -- too late where another result is stored now
  AND v.target IN ('pending', 'failed')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
