-- The sliding log of one bucket: its requests in the last window, and when its limits allow the next one.
-- A model's bucket and a run's bucket have one each. Loaded after common.lua.
--
-- A log is a table:
--   key, state          its sorted set, and the numbers of its hash that are changed here: sum, even, paced
--   window, horizon     in microseconds;  now: the time of the call
--   rpm, tpm            requests and tokens allowed in a window; 0: no limit
--   spacing             of requests at an even pace, in microseconds
--   used                entries in the window, once `drop_expired` was called

local PACE = 0.995            -- slots stand a little closer than the limit, to make up for lost time
local MARGIN = 0.97           -- of the token limit, since estimates are never exact
local BURST_WINDOWS = 1 / 30  -- how far requests and tokens may run ahead of their pace
local CHUNK = 64              -- log entries read at a time

local function open_log(key, state, call, rpm, tpm)
  return {
    key = key, state = state, now = call.now, window = call.window, horizon = call.horizon,
    rpm = rpm, tpm = tpm, spacing = rpm > 0 and PACE * call.window / rpm or 0,
    chunk = {}, in_chunk = 0, entries_read = 0,
    leaving_requests = 0, leaving_tokens = 0, leaving_at = 0,
  }
end

local function add_tokens(log, tokens)
  log.state.sum = log.state.sum + tokens
end

local function add_to_pace(log, tokens)
  if log.tpm > 0 then log.state.paced = log.state.paced + tokens * PACE * log.window / log.tpm end
end

-- The request arrived between its slot and the reply, so it counts from the reply on. One that is not in
-- the log (Redis was emptied, or the reply took longer than the window) is entered again.
local function confirm(log, member, age)
  local at = log.now - age
  if at > log.now - log.window and redis.call('ZADD', log.key, 'GT', at, member) == 1 then
    add_tokens(log, tokens_of(member))
  end
end

local function settle(log, member, tokens)
  local at = redis.call('ZSCORE', log.key, member)
  if not at then return end
  local before = tokens_of(member)
  redis.call('ZREM', log.key, member)
  redis.call('ZADD', log.key, at, member_of(string.match(member, '^(.*):%d+$'), tokens))
  add_tokens(log, tokens - before)
  add_to_pace(log, tokens - before)
end

-- A slot that was not used is given back to the pace as well: on a busy machine many come too late.
local function release(log, member)
  if redis.call('ZREM', log.key, member) == 1 then
    add_tokens(log, -tokens_of(member))
    add_to_pace(log, -tokens_of(member))
    log.state.even = log.state.even - log.spacing
  end
end

-- Remove the entries that left the window, and count the rest.
local function drop_expired(log)
  local until_us = log.now - log.window
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', log.key, '-inf', until_us)) do
    add_tokens(log, -tokens_of(member))
  end
  redis.call('ZREMRANGEBYSCORE', log.key, '-inf', until_us)
  log.used = redis.call('ZCARD', log.key)
  if log.used == 0 then log.state.sum = 0 end
end

-- The oldest entries leave the window first. Those that are `leaving` must be gone before the next slot.
local function add_leaving(log)
  if log.in_chunk >= #log.chunk then
    local first = log.entries_read
    log.chunk = redis.call('ZRANGE', log.key, first, first + CHUNK - 1, 'WITHSCORES')
    log.entries_read, log.in_chunk = first + #log.chunk / 2, 0
    if #log.chunk == 0 then return false end
  end
  log.leaving_requests = log.leaving_requests + 1
  log.leaving_tokens = log.leaving_tokens + tokens_of(log.chunk[log.in_chunk + 1])
  log.leaving_at = math.max(log.leaving_at, tonumber(log.chunk[log.in_chunk + 2]) + log.window + 1)
  log.in_chunk = log.in_chunk + 2
  return true
end

-- When a request fits into the window of a minute, and into the pace: at most BURST_WINDOWS ahead of it.
local function earliest_in_log(log, tokens)
  while (log.rpm > 0 and log.used + 1 - log.leaving_requests > log.rpm)
     or (log.tpm > 0 and tokens > 0 and log.state.sum + tokens - log.leaving_tokens > log.tpm) do
    if log.leaving_at - log.now > log.horizon or not add_leaving(log) then break end
  end
  local at = math.max(log.leaving_at, log.state.even - BURST_WINDOWS * log.window)
  if log.tpm > 0 and tokens > 0 then at = math.max(at, log.state.paced - BURST_WINDOWS * log.window) end
  return at
end

-- Enter a granted slot.
local function enter(log, member, at, tokens)
  local state = log.state
  redis.call('ZADD', log.key, at, member)
  log.used = log.used + 1
  add_tokens(log, tokens)
  state.even = math.max(state.even, at) + log.spacing
  if log.tpm > 0 and tokens > 0 then
    state.paced = math.max(state.paced, at)
    add_to_pace(log, tokens)
  end
end
