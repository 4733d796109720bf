-- retry: by the user. Sent as it was loaded; what was asked again before counts no more.
-- A pending job stays pending, and its lease is void: it gets another model.
-- v(id BIGINT, source TEXT, due_at_ms BIGINT, extras INT)
UPDATE jobs
SET state = 'pending',
    lease_owner = NULL,
    lease_until_ms = NULL,
    lease_gen = jobs.lease_gen + 1,
    due_at_ms = v.due_at_ms,
    finished_at_ms = NULL,
    error_code = NULL,
    answered_by = NULL,
    spent = 0,
    extras = jobs.extras + v.extras,
    asks = 0,
    asked_after = NULL,
    ask_tokens = 0
FROM v
WHERE jobs.id = v.id
  AND jobs.state = v.source
  AND v.source IN ('pending', 'failed', 'held', 'cancelled')
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
