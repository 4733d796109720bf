-- Shared by all scripts of the limiter; loaded before each of them.
--
-- Keys. All have one hash tag, so that a cluster keeps them together:
--   {runner}:epoch           exists while the logs are complete; missing: Redis was emptied
--   {runner}:clock           hash, so that a clock that is set back moves no time here:
--       behind    by how much Redis' own clock was set back, in all;  seen  the latest time
--   {runner}:limit:B         hash, the state of bucket B, that of one team and model:
--       last      time of the newest granted slot
--       pause     nothing is sent before this time
--       sum       tokens of all entries in the log
--       even      when the requests granted so far are used up, at the pace of the limit
--       paced     when the tokens granted so far are used up, at the pace of the limit
--       rpm, tpm  limits that the API announced; 0: none announced
--       share     part of the limits in use: 1, less after a 429
--       cut_at    when a 429 last cut it;  grown_at  up to when it has grown back
--       polls, polls_refused   decaying counts, as of polls_at, of polls and of 429s to them
--       polls_charged          1: polls need slots
--       force_rpm, force_tpm, force_rps    limits last in force, for status screens; 0: no limit
--   {runner}:limit:B:log     sorted set: member "<id>:<tokens>", score = time from which it counts
--   {runner}:run:R           hash, the state of the bucket of run R, if the run has limits of its own:
--       sum, even, paced, force_rpm, force_tpm    as above
--   {runner}:run:R:log       as above; a request of the run has the same member in both logs, "...@R:<tokens>"
--   {runner}:team:T          hash, the limits that were set for team T, from the database: rpm, tpm (0: no limit;
--                            missing: not set), version (versioned_limits.lua)
-- All times are microseconds of Redis' own clock, and of what it was set back. A double holds them exactly.

-- The present time, which never goes back: else all that was sent would lie in the future, and nothing more
-- be sent until then. Second result: `behind`.
local function clock(key)
  local time, known = redis.call('TIME'), redis.call('HMGET', key, 'behind', 'seen')
  local raw, behind, seen = time[1] * 1000000 + time[2], tonumber(known[1] or 0), tonumber(known[2] or 0)
  behind = math.max(behind, seen - raw)
  return raw + behind, behind
end

local function keep_clock(key, now, behind)
  redis.call('HSET', key, 'behind', behind, 'seen', now)
end

local function tokens_of(member)
  return tonumber(string.match(member, ':(%d+)$'))
end

local function member_of(id, tokens)
  return id .. string.format(':%.0f', tokens)
end
