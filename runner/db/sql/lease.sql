-- Lease the next pending jobs of a run, in file order: ix_jobs_pending has them by run and id.
-- {skip_locked}: on PostgreSQL FOR UPDATE SKIP LOCKED, so that workers lease side by side; SQLite has one
-- writer.
WITH next AS MATERIALIZED (
    SELECT id
    FROM jobs
    WHERE run_id = :run
      AND state = 'pending'
      AND id < :last
      AND due_at_ms <= :now
      AND (lease_until_ms IS NULL OR lease_until_ms <= :now)
      AND extras <= :extras_max
    ORDER BY id
    LIMIT :rows
    {skip_locked}
)
UPDATE jobs
SET lease_owner = :worker,
    lease_until_ms = :until,
    lease_gen = lease_gen + 1
WHERE id IN (SELECT id FROM next)
RETURNING id, lease_gen, attempt, model, prompt_tokens + ask_tokens AS prompt_tokens, output_tokens_max,
    body_bytes, spent, extras, due_at_ms, asks, asked_after
