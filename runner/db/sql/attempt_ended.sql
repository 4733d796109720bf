-- The attempt ended without a result.
-- v(job_id BIGINT, attempt INT, outcome TEXT, http_status INT, error_code TEXT, error_message TEXT,
--   collected_at_ms BIGINT, probable_ticks BIGINT, possible_ticks BIGINT)
UPDATE attempts
SET outcome = v.outcome,
    polls = (SELECT jobs.polls FROM jobs WHERE jobs.id = attempts.job_id),
    http_status = v.http_status,
    error_code = v.error_code,
    error_message = v.error_message,
    collected_at_ms = v.collected_at_ms,
    probable_ticks = v.probable_ticks,
    possible_ticks = v.possible_ticks
FROM v
WHERE attempts.job_id = v.job_id
  AND attempts.attempt = v.attempt
