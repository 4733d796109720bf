-- Goes before each script of the limiter: the words they share.
--
-- The keys, all under one hash tag so that a cluster keeps them together:
--   {runner}:epoch           there while the logs are whole; missing means that Redis was emptied
--   {runner}:limit:B         hash, the state of bucket B:
--       last      when the newest granted slot fires
--       pause     nobody sends before this time
--       sum       tokens of all entries in the log
--       even      when the requests granted so far would be used up at the limit's pace
--       paced     when the tokens granted so far would be used up at the limit's pace
--       rpm, tpm  what the API announced; 0 while it announced nothing
--       share     how much of the limits is used: 1, less after a 429
--       cut_at    when a 429 last cut it;  grown_at  up to when it has grown back
--       polls, polls_refused   polls and 429s to them, as of polls_at, fading;  polls_charged  1: they need slots
--       force_rpm, force_tpm, force_rps    the limits last in force, for status screens; 0 is none
--   {runner}:limit:B:log     sorted set: member "<id>:<tokens>", score = when it counts
-- All times are microseconds of Redis' own clock. A double holds them exactly.

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function tokens_of(member)
  return tonumber(string.match(member, ':(%d+)$'))
end

local function named(id, tokens)
  return id .. string.format(':%.0f', tokens)
end
