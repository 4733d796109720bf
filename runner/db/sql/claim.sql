-- claim: waiting jobs that are due, the longest due first: ix_jobs_waiting has them by due time.
-- {skip_locked}: on PostgreSQL FOR UPDATE SKIP LOCKED, so that workers claim side by side; SQLite has one
-- writer.
-- {without_runs}: a condition that leaves out some runs, or nothing.
WITH due AS MATERIALIZED (
    SELECT id
    FROM jobs
    WHERE state = 'waiting'
      AND due_at_ms <= :now
      AND (CAST(:accepted_before AS BIGINT) IS NULL OR accepted_at_ms < :accepted_before)
      {without_runs}
    ORDER BY due_at_ms
    LIMIT :rows
    {skip_locked}
)
UPDATE jobs
SET state = 'collecting',
    lease_owner = :worker,
    lease_until_ms = :until,
    lease_gen = lease_gen + 1,
    polls = polls + 1
WHERE id IN (SELECT id FROM due)
  AND state = 'waiting'
RETURNING id, lease_gen, attempt, model, request_id, accepted_at_ms, polls, misses, spent, extras,
    prompt_tokens + ask_tokens AS prompt_tokens, output_tokens_max, due_at_ms, interrupted_at_ms, asks,
    (SELECT a.slot FROM attempts a WHERE a.job_id = jobs.id AND a.attempt = jobs.attempt) AS slot
