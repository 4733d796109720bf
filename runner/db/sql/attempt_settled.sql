-- The result of the attempt was classified and priced. What an attempt that was given up before may have cost
-- stays: it stands for the attempt that followed it, which is now given up itself.
-- v(job_id BIGINT, attempt INT, outcome TEXT, collected_at_ms BIGINT, error_code TEXT, error_message TEXT,
--   model TEXT, finish_reason TEXT, flaw TEXT, prompt_tokens BIGINT, cached_tokens BIGINT,
--   completion_tokens BIGINT, reasoning_tokens BIGINT, total_tokens BIGINT, ticks BIGINT, ticks_source TEXT,
--   prices_as_of TEXT)
UPDATE attempts
SET outcome = v.outcome,
    polls = (SELECT jobs.polls FROM jobs WHERE jobs.id = attempts.job_id),
    http_status = 200,
    collected_at_ms = v.collected_at_ms,
    error_code = v.error_code,
    error_message = v.error_message,
    model = v.model,
    finish_reason = v.finish_reason,
    flaw = v.flaw,
    prompt_tokens = v.prompt_tokens,
    cached_tokens = v.cached_tokens,
    completion_tokens = v.completion_tokens,
    reasoning_tokens = v.reasoning_tokens,
    total_tokens = v.total_tokens,
    ticks = v.ticks,
    ticks_source = v.ticks_source,
    prices_as_of = v.prices_as_of
FROM v
WHERE attempts.job_id = v.job_id
  AND attempts.attempt = v.attempt
