-- One talk with a bucket: what happened since the last one, then which slots are free.
--
-- KEYS   epoch, state, log (see log.lua)
-- ARGV   1: JSON
--   window_us, second_us, horizon_us
--   said, fallback   {rpm, tpm, rps}: the user's limits, the model table's; -1 not said, 0 no limit
--   announced        {rpm, tpm}: news from the API; -1 no news
--   pause_us         pause everybody for so long; 0 no
--   refused          true: the API answered 429, so slow down
--   polls, polls_refused   so many polls, of which the API answered 429 to so many
--   confirm          {member, age_us}...: a reply came so long ago
--   settle           {member, tokens}...: what it really cost
--   release          {member}...: it was not sent after all
--   want             tokens of each wanted slot, in order;  id: the start of their names
-- Reply  {"empty"}, or {"ok", pause_us, again_us, {wait_us, tokens, wait_us, tokens, ...}, charged}: for
--   how long everybody pauses, when to ask for what was not granted (-1: all was), then the granted slots;
--   the n-th is called id:n:tokens. charged: 1 when polls need slots too.

local MARGIN = 0.97           -- of the tokens: estimates are never exact
local PACE = 0.995            -- slots stand a little closer than the limit, to make up for lost time
local RPM_PER_RPS = 48        -- the API's own rule, with RPS_MIN (docs.x.ai, rate limits, October 2026)
local RPS_MIN = 2
local CUT = 0.9               -- what a 429 leaves of the share ...
local SHARE_MIN = 0.05
local CUTS_PER_WINDOW = 4     -- ... at most so often
local GROWTH_PER_WINDOW = 1 / 60
local BURST_WINDOWS = 1 / 30  -- requests and tokens may run ahead of their pace by so much
local POLLS_KEPT_WINDOWS = 2  -- polls and their 429s fade within so long ...
local POLLS_REFUSED_FROM = 3  -- ... and polls are charged from so many 429s on,
local POLLS_REFUSED_SHARE = 0.2  -- if they are more than this share of the polls,
local POLLS_FORGIVEN = 1      -- until so few are left
local CHUNK = 64              -- entries read at once
local STATE_KEPT_MS = 86400000

local epoch_key, state_key, log_key = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', epoch_key) == 0 then return {'empty'} end

local ask = cjson.decode(ARGV[1])
local now, window, horizon = clock(), ask.window_us, ask.horizon_us

local FIELDS = {'last', 'pause', 'sum', 'paced', 'even', 'rpm', 'tpm', 'share', 'cut_at', 'grown_at',
  'polls', 'polls_refused', 'polls_at', 'polls_charged'}
local state = {}
for i, value in ipairs(redis.call('HMGET', state_key, unpack(FIELDS))) do
  state[FIELDS[i]] = tonumber(value or 0)
end
if state.share == 0 then state.share = 1 end

-- 1. What the API said: its limits, and whether we were too fast.

for _, limit in ipairs({'rpm', 'tpm'}) do
  local news = ask.announced[limit]
  if news >= 0 and news ~= state[limit] then
    state[limit], state.share = news, 1
  end
end

state.share = math.min(1, state.share + (now - state.grown_at) / window * GROWTH_PER_WINDOW)
state.grown_at = now
if ask.refused and now - state.cut_at >= window / CUTS_PER_WINDOW then
  state.share, state.cut_at = math.max(SHARE_MIN, state.share * CUT), now
end
if ask.pause_us > 0 then state.pause = math.max(state.pause, now + ask.pause_us) end

local fade = math.exp((state.polls_at - now) / window / POLLS_KEPT_WINDOWS)
state.polls = state.polls * fade + ask.polls
state.polls_refused = state.polls_refused * fade + ask.polls_refused
state.polls_at = now
if state.polls_refused < POLLS_FORGIVEN then
  state.polls_charged = 0
elseif state.polls_refused > POLLS_REFUSED_FROM - 0.5
   and state.polls_refused > POLLS_REFUSED_SHARE * state.polls then
  state.polls_charged = 1
end

-- 2. The limits in force, and what a 429 leaves of them.

local function in_force(limit)
  local said, announced, fallback = ask.said[limit], state[limit] or 0, ask.fallback[limit]
  if said == 0 then return 0 end
  if said > 0 then return announced > 0 and math.min(said, announced) or said end
  if announced > 0 then return announced end
  return math.max(0, fallback)
end

local function share_of(limit)
  return limit == 0 and 0 or math.max(1, math.floor(limit * state.share))
end

local known = {rpm = in_force('rpm'), tpm = in_force('tpm'), rps = in_force('rps')}
local rpm, tpm, rps = share_of(known.rpm), share_of(known.tpm * MARGIN), known.rps
if rps == 0 and ask.said.rps ~= 0 and rpm > 0 then
  rps = math.max(RPS_MIN, math.floor(rpm / RPM_PER_RPS))
end

-- 3. What became of earlier slots.

local function count(tokens)  -- negative: take back
  state.sum = state.sum + tokens
end

-- The request arrived between its slot and the reply, so it counts from the reply on. One that the
-- log has forgotten (Redis was emptied, the reply took longer than the window) is entered again.
for _, confirmed in ipairs(ask.confirm) do
  local member, at = confirmed[1], now - confirmed[2]
  if at > now - window then
    if redis.call('ZADD', log_key, 'GT', at, member) == 1 then count(tokens_of(member)) end
  end
end

for _, settled in ipairs(ask.settle) do
  local member, tokens = settled[1], settled[2]
  local at = redis.call('ZSCORE', log_key, member)
  if at then
    local before = tokens_of(member)
    redis.call('ZREM', log_key, member)
    redis.call('ZADD', log_key, at, named(string.match(member, '^(.*):%d+$'), tokens))
    count(tokens - before)
    if tpm > 0 then state.paced = state.paced + (tokens - before) * PACE * window / tpm end
  end
end

for _, member in ipairs(ask.release) do
  if redis.call('ZREM', log_key, member) == 1 then
    count(-tokens_of(member))
    if tpm > 0 then state.paced = state.paced - tokens_of(member) * PACE * window / tpm end
  end
end

-- 4. Forget what has left the window.

for _, member in ipairs(redis.call('ZRANGEBYSCORE', log_key, '-inf', now - window)) do
  count(-tokens_of(member))
end
redis.call('ZREMRANGEBYSCORE', log_key, '-inf', now - window)
local used = redis.call('ZCARD', log_key)
if used == 0 then state.sum = 0 end

-- 5. Grant slots, each as early as every limit allows, until one lies beyond the horizon.

local spacing = 0
if rpm > 0 then spacing = PACE * window / rpm end
if rps > 0 then spacing = math.max(spacing, ask.second_us / rps) end

-- A short file need not go at the pace of a minute: it may start almost as fast as the second allows, a little
-- ahead of its pace. Not after a 429, and not where the second's limit is the least there is.
local closest = spacing
if rps > RPS_MIN and state.share >= 1 then closest = math.min(spacing, ask.second_us / rps / PACE) end

-- The oldest entries leave the window first. `left` of them must be gone before the next slot.
local chunk, in_chunk, read = {}, 0, 0
local left = {requests = 0, tokens = 0, at = 0}

local function let_next_leave()
  if in_chunk >= #chunk then
    chunk = redis.call('ZRANGE', log_key, read, read + CHUNK - 1, 'WITHSCORES')
    read, in_chunk = read + #chunk / 2, 0
    if #chunk == 0 then return false end
  end
  left.requests = left.requests + 1
  left.tokens = left.tokens + tokens_of(chunk[in_chunk + 1])
  left.at = math.max(left.at, tonumber(chunk[in_chunk + 2]) + window + 1)
  in_chunk = in_chunk + 2
  return true
end

local function room_in_window(tokens)
  while (rpm > 0 and used + 1 - left.requests > rpm)
     or (tpm > 0 and tokens > 0 and state.sum + tokens - left.tokens > tpm) do
    if left.at - now > horizon or not let_next_leave() then break end
  end
  return left.at
end

-- The entry `rps` slots before a new one must be a second old: newest[1] is that of the first new slot.
local newest = {}
if rps > 0 and #ask.want > 0 and used >= rps then
  local entries = redis.call('ZRANGE', log_key, -rps, -math.max(1, rps - #ask.want + 1), 'WITHSCORES')
  for i = 2, #entries, 2 do newest[#newest + 1] = tonumber(entries[i]) end
elseif rps > 0 and #ask.want > 0 then
  for _ = 1, rps - used do newest[#newest + 1] = 0 end
  local entries = redis.call('ZRANGE', log_key, 0, -1, 'WITHSCORES')
  for i = 2, #entries, 2 do newest[#newest + 1] = tonumber(entries[i]) end
end

local function room_in_second(nth)
  if rps == 0 then return 0 end
  return newest[nth] + ask.second_us + 1
end

local function earliest(nth, tokens)
  local at = math.max(now, state.last + closest, state.even - BURST_WINDOWS * window, state.pause)
  if tpm > 0 and tokens > 0 then at = math.max(at, state.paced - BURST_WINDOWS * window) end
  return math.ceil(math.max(at, room_in_window(tokens), room_in_second(nth)))
end

local again, granted = -1, {}
for nth, wanted in ipairs(ask.want) do
  local tokens = tpm > 0 and math.min(wanted, tpm) or wanted
  local at = earliest(nth, tokens)
  if at - now > horizon then
    again = at - now - horizon
    break
  end
  redis.call('ZADD', log_key, at, named(ask.id .. ':' .. nth, tokens))
  used = used + 1
  count(tokens)
  state.last = at
  state.even = math.max(state.even, at) + spacing
  if tpm > 0 and tokens > 0 then state.paced = math.max(state.paced, at) + tokens * PACE * window / tpm end
  newest[rps + nth] = at
  granted[#granted + 1] = at - now
  granted[#granted + 1] = tokens
end

-- 6. Keep the state.

local kept = {'force_rpm', known.rpm, 'force_tpm', known.tpm, 'force_rps', rps}
if #ask.want == 0 then kept = {} end
for _, field in ipairs(FIELDS) do
  kept[#kept + 1] = field
  kept[#kept + 1] = state[field]
end
redis.call('HSET', state_key, unpack(kept))
redis.call('PEXPIRE', state_key, STATE_KEPT_MS)
redis.call('PEXPIRE', log_key, math.ceil(window * 2 / 1000))

return {'ok', math.max(0, state.pause - now), math.ceil(again), granted, state.polls_charged}
