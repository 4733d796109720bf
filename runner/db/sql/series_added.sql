-- Add what a transaction counted to the series of its runs. A bucket is the wider the older its run is
-- (rules/bucket_width.py), and begins anew when a command starts the run.
-- {now_s}: the present time in seconds, for rows whose at_s is NULL.
-- v(run_id INT, model TEXT, at_s BIGINT, shard INT, sent BIGINT, refused_for_now BIGINT, polls BIGINT,
--   succeeded BIGINT, failed BIGINT, priced BIGINT, prompt_tokens BIGINT, cached_tokens BIGINT,
--   completion_tokens BIGINT, reasoning_tokens BIGINT, total_tokens BIGINT, reported_ticks BIGINT,
--   estimated_ticks BIGINT, possible_ticks BIGINT, latency_ms BIGINT)
INSERT INTO run_series (
    run_id, at_ms, model, shard, width_s,
    sent, refused_for_now, polls, succeeded, failed, priced, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens, total_tokens, reported_ticks, estimated_ticks,
    possible_ticks, latency_ms
)
SELECT run_id, bucket_ms, model, shard, width_s,
    SUM(sent), SUM(refused_for_now), SUM(polls), SUM(succeeded), SUM(failed), SUM(priced),
    SUM(prompt_tokens), SUM(cached_tokens), SUM(completion_tokens), SUM(reasoning_tokens),
    SUM(total_tokens), SUM(reported_ticks), SUM(estimated_ticks), SUM(possible_ticks),
    SUM(latency_ms)
FROM (
    SELECT aligned.*,
        COALESCE(
            (SELECT MAX(s.at_ms)  -- the bucket that a start of the run began in between, if there is one
             FROM run_series s
             WHERE s.run_id = aligned.run_id
               AND s.at_ms >= clock_s / width_s * width_s * 1000
               AND s.at_ms < clock_s * 1000 + 1000),
            clock_s / width_s * width_s * 1000
        ) AS bucket_ms
    FROM (
        SELECT timed.*,
            CASE
                WHEN clock_s / 600 * 600 - started_s >= 43200 THEN 600
                WHEN clock_s / 60 * 60 - started_s >= 3600 THEN 60
                ELSE 10
            END AS width_s
        FROM (
            SELECT v.*,
                COALESCE(v.at_s, {now_s}) AS clock_s,
                COALESCE(runs.started_at_ms, runs.created_at_ms) / 1000 AS started_s
            FROM v
            JOIN runs ON runs.id = v.run_id
        ) AS timed
    ) AS aligned
) AS placed
GROUP BY run_id, bucket_ms, model, shard, width_s
ORDER BY run_id, bucket_ms, model  -- always in one order: transactions that meet do not wait in a circle
ON CONFLICT (run_id, at_ms, model, shard) DO UPDATE
SET sent = run_series.sent + excluded.sent,
    refused_for_now = run_series.refused_for_now + excluded.refused_for_now,
    polls = run_series.polls + excluded.polls,
    succeeded = run_series.succeeded + excluded.succeeded,
    failed = run_series.failed + excluded.failed,
    priced = run_series.priced + excluded.priced,
    prompt_tokens = run_series.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = run_series.cached_tokens + excluded.cached_tokens,
    completion_tokens = run_series.completion_tokens + excluded.completion_tokens,
    reasoning_tokens = run_series.reasoning_tokens + excluded.reasoning_tokens,
    total_tokens = run_series.total_tokens + excluded.total_tokens,
    reported_ticks = run_series.reported_ticks + excluded.reported_ticks,
    estimated_ticks = run_series.estimated_ticks + excluded.estimated_ticks,
    possible_ticks = run_series.possible_ticks + excluded.possible_ticks,
    latency_ms = run_series.latency_ms + excluded.latency_ms
