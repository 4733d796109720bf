-- One round trip of a process to a bucket: record its updates, then grant slots.
--
-- KEYS   1: epoch;  2: state;  3: log (common.lua)
-- ARGV   1: JSON
--   window_us, second_us, horizon_us
--   user_limits, fallback_limits   {rpm, tpm, rps}: the user's, the model table's; -1 not set, 0 no limit
--   announced        {rpm, tpm}: limits of the API's headers; -1 no change
--   pause_us         pause all processes for this long; 0: no pause
--   rate_limited     true: a submit got a 429, so use less of the limits
--   polls, polls_refused   polls since the last call that reported any, and how many of them got a 429
--   confirm          {member, age_us}...: slots whose reply arrived age_us ago
--   settle           {member, tokens}...: tokens used
--   release          {member}...: slots that were not used
--   wanted_tokens    tokens of each wanted slot, in order;  call_id: start of the slots' ids
-- Reply  {"empty"}: Redis was emptied. Else
--        {"ok", pause_us, retry_after_us, {wait_us, tokens, wait_us, tokens, ...}, charged}:
--   pause_us         global pause
--   retry_after_us   when to request the slots that were not granted; -1: all were granted
--   {...}            the granted slots; the id of the n-th is call_id:n:tokens
--   charged          1: polls need slots too

local MARGIN = 0.97           -- of the token limit, since estimates are never exact
local PACE = 0.995            -- slots stand a little closer than the limit, to make up for lost time
local RPM_PER_RPS = 48        -- the API's own rule, with RPS_MIN (docs.x.ai, rate limits, October 2026)
local RPS_MIN = 2
local CUT = 0.9               -- a 429 cuts the share to this part of it,
local SHARE_MIN = 0.05        -- down to this,
local CUTS_PER_WINDOW = 4     -- at most this often
local GROWTH_PER_WINDOW = 1 / 60
local BURST_WINDOWS = 1 / 30  -- how far requests and tokens may run ahead of their pace
local POLLS_KEPT_WINDOWS = 2  -- polls and their 429s decay with this time constant
local POLLS_REFUSED_FROM = 3  -- polls are charged from this many 429s on,
local POLLS_REFUSED_SHARE = 0.2  -- if they are more than this share of the polls,
local POLLS_FORGIVEN = 1      -- until fewer than this many are left
local CHUNK = 64              -- log entries read at a time
local STATE_KEPT_MS = 86400000

local epoch_key, state_key, log_key = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', epoch_key) == 0 then return {'empty'} end

local request = cjson.decode(ARGV[1])
local now, window, horizon = clock(), request.window_us, request.horizon_us

local FIELDS = {'last', 'pause', 'sum', 'paced', 'even', 'rpm', 'tpm', 'share', 'cut_at', 'grown_at',
  'polls', 'polls_refused', 'polls_at', 'polls_charged'}
local state = {}
for i, value in ipairs(redis.call('HMGET', state_key, unpack(FIELDS))) do
  state[FIELDS[i]] = tonumber(value or 0)
end
if state.share == 0 then state.share = 1 end

-- 1. Announced limits, 429s and pauses.

for _, limit in ipairs({'rpm', 'tpm'}) do
  local announced = request.announced[limit]
  if announced >= 0 and announced ~= state[limit] then
    state[limit], state.share = announced, 1
  end
end

state.share = math.min(1, state.share + (now - state.grown_at) / window * GROWTH_PER_WINDOW)
state.grown_at = now
if request.rate_limited and now - state.cut_at >= window / CUTS_PER_WINDOW then
  state.share, state.cut_at = math.max(SHARE_MIN, state.share * CUT), now
end
if request.pause_us > 0 then state.pause = math.max(state.pause, now + request.pause_us) end

local decay = math.exp((state.polls_at - now) / window / POLLS_KEPT_WINDOWS)
state.polls = state.polls * decay + request.polls
state.polls_refused = state.polls_refused * decay + request.polls_refused
state.polls_at = now
if state.polls_refused < POLLS_FORGIVEN then
  state.polls_charged = 0
elseif state.polls_refused > POLLS_REFUSED_FROM - 0.5
   and state.polls_refused > POLLS_REFUSED_SHARE * state.polls then
  state.polls_charged = 1
end

-- 2. The limits in force, and the part of them in use.

local function limit_in_force(name)
  local users, announced = request.user_limits[name], state[name] or 0
  if users == 0 then return 0 end
  if users > 0 then return announced > 0 and math.min(users, announced) or users end
  if announced > 0 then return announced end
  return math.max(0, request.fallback_limits[name])
end

local function share_of(limit)
  return limit == 0 and 0 or math.max(1, math.floor(limit * state.share))
end

local in_force = {rpm = limit_in_force('rpm'), tpm = limit_in_force('tpm'), rps = limit_in_force('rps')}
local rpm, tpm, rps = share_of(in_force.rpm), share_of(in_force.tpm * MARGIN), in_force.rps
if rps == 0 and request.user_limits.rps ~= 0 and rpm > 0 then
  rps = math.max(RPS_MIN, math.floor(rpm / RPM_PER_RPS))
end

-- 3. Confirmed, settled and released slots.

local function add_to_sum(tokens)
  state.sum = state.sum + tokens
end

-- The request arrived between its slot and the reply, so it counts from the reply on. One that is not in
-- the log (Redis was emptied, or the reply took longer than the window) is entered again.
for _, confirmed in ipairs(request.confirm) do
  local member, at = confirmed[1], now - confirmed[2]
  if at > now - window then
    if redis.call('ZADD', log_key, 'GT', at, member) == 1 then add_to_sum(tokens_of(member)) end
  end
end

for _, settled in ipairs(request.settle) do
  local member, tokens = settled[1], settled[2]
  local at = redis.call('ZSCORE', log_key, member)
  if at then
    local before = tokens_of(member)
    redis.call('ZREM', log_key, member)
    redis.call('ZADD', log_key, at, member_of(string.match(member, '^(.*):%d+$'), tokens))
    add_to_sum(tokens - before)
    if tpm > 0 then state.paced = state.paced + (tokens - before) * PACE * window / tpm end
  end
end

for _, member in ipairs(request.release) do
  if redis.call('ZREM', log_key, member) == 1 then
    add_to_sum(-tokens_of(member))
    if tpm > 0 then state.paced = state.paced - tokens_of(member) * PACE * window / tpm end
  end
end

-- 4. Remove the entries that left the window.

for _, member in ipairs(redis.call('ZRANGEBYSCORE', log_key, '-inf', now - window)) do
  add_to_sum(-tokens_of(member))
end
redis.call('ZREMRANGEBYSCORE', log_key, '-inf', now - window)
local used = redis.call('ZCARD', log_key)
if used == 0 then state.sum = 0 end

-- 5. Grant slots, each as early as every limit allows, until one is beyond the horizon.

local spacing = 0
if rpm > 0 then spacing = PACE * window / rpm end
if rps > 0 then spacing = math.max(spacing, request.second_us / rps) end

-- A short file need not keep the pace of a minute: it may start almost as fast as the limit of a second
-- allows, up to BURST_WINDOWS ahead of its pace. Not after a 429, and not at the lowest limit of a second.
local spacing_min = spacing
if rps > RPS_MIN and state.share >= 1 then
  spacing_min = math.min(spacing, request.second_us / rps / PACE)
end

-- The oldest entries leave the window first. Those in `leaving` must be gone before the next slot.
local chunk, in_chunk, entries_read = {}, 0, 0
local leaving = {requests = 0, tokens = 0, at = 0}

local function add_leaving()
  if in_chunk >= #chunk then
    chunk = redis.call('ZRANGE', log_key, entries_read, entries_read + CHUNK - 1, 'WITHSCORES')
    entries_read, in_chunk = entries_read + #chunk / 2, 0
    if #chunk == 0 then return false end
  end
  leaving.requests = leaving.requests + 1
  leaving.tokens = leaving.tokens + tokens_of(chunk[in_chunk + 1])
  leaving.at = math.max(leaving.at, tonumber(chunk[in_chunk + 2]) + window + 1)
  in_chunk = in_chunk + 2
  return true
end

local function earliest_in_window(tokens)
  while (rpm > 0 and used + 1 - leaving.requests > rpm)
     or (tpm > 0 and tokens > 0 and state.sum + tokens - leaving.tokens > tpm) do
    if leaving.at - now > horizon or not add_leaving() then break end
  end
  return leaving.at
end

-- The entry `rps` slots before a new slot must be a second old. newest[n] is that entry of the n-th new slot.
local newest = {}
local wanted = request.wanted_tokens
if rps > 0 and #wanted > 0 and used >= rps then
  local entries = redis.call('ZRANGE', log_key, -rps, -math.max(1, rps - #wanted + 1), 'WITHSCORES')
  for i = 2, #entries, 2 do newest[#newest + 1] = tonumber(entries[i]) end
elseif rps > 0 and #wanted > 0 then
  for _ = 1, rps - used do newest[#newest + 1] = 0 end
  local entries = redis.call('ZRANGE', log_key, 0, -1, 'WITHSCORES')
  for i = 2, #entries, 2 do newest[#newest + 1] = tonumber(entries[i]) end
end

local function earliest_in_second(nth)
  if rps == 0 then return 0 end
  return newest[nth] + request.second_us + 1
end

local function earliest(nth, tokens)
  local at = math.max(now, state.last + spacing_min, state.even - BURST_WINDOWS * window, state.pause)
  if tpm > 0 and tokens > 0 then at = math.max(at, state.paced - BURST_WINDOWS * window) end
  return math.ceil(math.max(at, earliest_in_window(tokens), earliest_in_second(nth)))
end

local retry_after, granted = -1, {}
for nth, estimate in ipairs(wanted) do
  local tokens = tpm > 0 and math.min(estimate, tpm) or estimate
  local at = earliest(nth, tokens)
  if at - now > horizon then
    retry_after = at - now - horizon
    break
  end
  redis.call('ZADD', log_key, at, member_of(request.call_id .. ':' .. nth, tokens))
  used = used + 1
  add_to_sum(tokens)
  state.last = at
  state.even = math.max(state.even, at) + spacing
  if tpm > 0 and tokens > 0 then state.paced = math.max(state.paced, at) + tokens * PACE * window / tpm end
  newest[rps + nth] = at
  granted[#granted + 1] = at - now
  granted[#granted + 1] = tokens
end

-- 6. Store the state.

local stored = {'force_rpm', in_force.rpm, 'force_tpm', in_force.tpm, 'force_rps', rps}
if #wanted == 0 then stored = {} end
for _, field in ipairs(FIELDS) do
  stored[#stored + 1] = field
  stored[#stored + 1] = state[field]
end
redis.call('HSET', state_key, unpack(stored))
redis.call('PEXPIRE', state_key, STATE_KEPT_MS)
redis.call('PEXPIRE', log_key, math.ceil(window * 2 / 1000))

return {'ok', math.max(0, state.pause - now), math.ceil(retry_after), granted, state.polls_charged}
