-- later, unreadable: the fetch brought no answer; the job is polled again. interrupted_at_ms stays where none is
-- given: a fetch that died before may have taken the answer with it.
-- v(id BIGINT, gen INT, due_at_ms BIGINT, misses INT, unasked INT, interrupted_at_ms BIGINT)
UPDATE jobs
SET state = 'waiting',
    lease_owner = NULL,
    lease_until_ms = NULL,
    due_at_ms = v.due_at_ms,
    misses = v.misses,
    polls = jobs.polls - v.unasked,
    interrupted_at_ms = COALESCE(v.interrupted_at_ms, jobs.interrupted_at_ms)
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'collecting'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen           -- fenced: a late worker changes nothing
RETURNING jobs.id, jobs.state, jobs.reserved_ticks, jobs.model
