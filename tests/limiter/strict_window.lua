-- A strict server: one sliding window of requests and tokens, and one of requests a second.
--
-- KEYS   1: log of accepted requests;  2: books, a list of "time_us refused tokens" of all requests
-- ARGV   id, tokens, rpm, tpm, rps, window_us, second_us
-- Reply  1 accepted, 0 refused
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tokens, rpm, tpm, rps = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[6])
local sum = tokens
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  sum = sum + tonumber(string.match(member, ':(%d+)$'))
end
local in_second = redis.call('ZCOUNT', KEYS[1], now - ARGV[7] + 1, '+inf')
local full = (rpm > 0 and redis.call('ZCARD', KEYS[1]) >= rpm)
  or (tpm > 0 and sum > tpm) or (rps > 0 and in_second >= rps)
redis.call('RPUSH', KEYS[2], string.format('%.0f %d %d', now, full and 1 or 0, tokens))
if full then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1] .. ':' .. tokens)
return 1
