-- Release the leases of pending jobs that were not sent.
-- v(id BIGINT, gen INT)
UPDATE jobs
SET lease_owner = NULL,
    lease_until_ms = NULL
FROM v
WHERE jobs.id = v.id
  AND jobs.state || '' = 'pending'  -- || '': found by id, by no partial index
  AND jobs.lease_gen = v.gen        -- fenced: a late worker changes nothing
