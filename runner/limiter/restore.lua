-- Fill emptied logs with the requests of the last window, and record that they are complete.
-- Only the first process does it. The limits of the team are set again in the same step: no slot is granted
-- without them.
--
-- KEYS   1: epoch;  2: clock;  3: the team's limits;  then state and log of each bucket, of models and of runs
-- ARGV   1: the new epoch;  2: window_us;  3, 4, 5: the arguments of team_limits.lua;  then for each bucket the
--        JSON of its {age_us, tokens}...
-- Reply  1, or 0 when another process did it before

local epoch, window = ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end

local now, behind = clock(KEYS[2])
keep_clock(KEYS[2], now, behind)
for bucket = 1, (#KEYS - 3) / 2 do
  local state_key, log_key = KEYS[bucket * 2 + 2], KEYS[bucket * 2 + 3]
  local sum, last = 0, 0
  for nth, entry in ipairs(cjson.decode(ARGV[bucket + 5])) do
    local at, tokens = now - entry[1], entry[2]
    if at > now - window then
      redis.call('ZADD', log_key, at, member_of(epoch .. ':' .. nth, tokens))
      sum, last = sum + tokens, math.max(last, at)
    end
  end
  redis.call('HSET', state_key, 'sum', sum, 'last', last)
  redis.call('PEXPIRE', log_key, math.ceil(window * 2 / 1000))
end
take_over_limits(KEYS[3], ARGV[3], ARGV[4], ARGV[5])
redis.call('SET', KEYS[1], epoch)
return 1
