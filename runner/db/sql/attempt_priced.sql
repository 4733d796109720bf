-- A result that ended no job was priced; the outcome of its attempt stays.
-- v(job_id BIGINT, attempt INT, model TEXT, finish_reason TEXT, flaw TEXT, prompt_tokens BIGINT,
--   cached_tokens BIGINT, completion_tokens BIGINT, reasoning_tokens BIGINT, total_tokens BIGINT,
--   ticks BIGINT, ticks_source TEXT, prices_as_of TEXT)
UPDATE attempts
SET model = v.model,
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
