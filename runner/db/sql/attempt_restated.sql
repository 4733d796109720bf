-- What an unread answer may have cost is restated, where the old bounds stand and no real cost came since.
-- v(job_id BIGINT, attempt INT, probable_ticks BIGINT, possible_ticks BIGINT, old_probable BIGINT,
--   old_possible BIGINT)
UPDATE attempts
SET probable_ticks = v.probable_ticks,
    possible_ticks = v.possible_ticks
FROM v
WHERE attempts.job_id = v.job_id
  AND attempts.attempt = v.attempt
  AND attempts.ticks_source IS NULL
  AND COALESCE(attempts.probable_ticks, 0) = v.old_probable
  AND COALESCE(attempts.possible_ticks, 0) = v.old_possible
RETURNING attempts.job_id, attempts.attempt
