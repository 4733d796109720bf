-- Read the limits and the usage of a model's bucket or of a run's. Changes nothing.
--
-- KEYS   1: state;  2: log;  3: clock (common.lua)
-- ARGV   1: window_us
-- Reply  {rpm, tpm, rps, requests, tokens, pause_us, share in percent}

local now, window = clock(KEYS[3]), tonumber(ARGV[1])
local found = redis.call('HMGET', KEYS[1], 'force_rpm', 'force_tpm', 'force_rps', 'sum', 'pause', 'share')
local rpm, tpm, rps, sum, pause, share = unpack(found)

local tokens = tonumber(sum or 0)
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - window)
for _, member in ipairs(expired) do tokens = tokens - tokens_of(member) end
local requests = redis.call('ZCARD', KEYS[2]) - #expired
if requests == 0 then tokens = 0 end

return {
  math.max(0, tonumber(rpm or 0)), math.max(0, tonumber(tpm or 0)), tonumber(rps or 0),
  requests, tokens, math.max(0, tonumber(pause or 0) - now), math.floor(tonumber(share or 1) * 100),
}
