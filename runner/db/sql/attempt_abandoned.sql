-- The user gave the attempt up: its answer stays where it is, and may have been paid.
-- v(job_id BIGINT, attempt INT, collected_at_ms BIGINT, probable_ticks BIGINT, possible_ticks BIGINT)
UPDATE attempts
SET outcome = 'abandoned',
    collected_at_ms = v.collected_at_ms,
    probable_ticks = v.probable_ticks,
    possible_ticks = v.possible_ticks
FROM v
WHERE attempts.job_id = v.job_id
  AND attempts.attempt = v.attempt
