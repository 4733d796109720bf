-- One round trip of a process to the bucket of a model: record its updates, then grant slots.
--
-- A run with limits of its own has a bucket besides (sliding_log.lua). Its requests are entered in both logs.
-- Only the model's bucket has pauses, 429s, announced limits, a limit of a second, and polls.
--
-- KEYS   1: epoch;  2: clock;  3: state;  4: log;  5: the team's limits;  then state and log of each run
--        (common.lua)
-- ARGV   1: JSON
--   window_us, second_us, horizon_us
--   fallback_limits  {rpm, tpm, rps}: the model table's; -1 not known, 0 no limit
--   announced        {rpm, tpm}: limits of the API's headers; -1 no change
--   pause_us         pause all processes for this long; 0: no pause
--   rate_limited     true: a submit got a 429, so use less of the limits
--   polls, polls_refused   polls since the last call that reported any, and how many of them got a 429
--   runs             {id, rpm, tpm}...: runs with limits of their own; 0 no limit, -1 as they were last.
--                    Below, `run` is the place of one of them in this list; left out: none
--   confirm          {member, age_us, run}...: slots whose reply arrived age_us ago
--   settle           {member, tokens, run}...: tokens used
--   release          {member, run}...: slots that were not used
--   wanted           tokens or {tokens, run}...: the wanted slots, in order;  call_id: start of the slots' ids
-- Reply  {"empty"}: Redis was emptied. Else
--        {"ok", pause_us, retry_after_us, {nth, wait_us, tokens, ...}, charged, {rpm, tpm, rps}, {run_us, ...}}:
--   pause_us         global pause
--   retry_after_us   when to request the slots that the model's limits did not grant; -1: they granted all
--   {nth, ...}       the granted slots, by their place in `wanted`; an id is call_id:nth:tokens, and with a run
--                    that has limits of its own call_id:nth@id:tokens
--   charged          1: polls need slots too
--   {rpm, tpm, rps}  the model's limits in force; 0: no limit
--   {run_us, ...}    when to request the slots that a run's own limits did not grant; -1: they granted all

local STATE_KEPT_MS = 86400000

local epoch_key, clock_key, state_key, log_key, team_key = unpack(KEYS)
if redis.call('EXISTS', epoch_key) == 0 then return {'empty'} end

local request = cjson.decode(ARGV[1])
local now, behind = clock(clock_key)
local window, horizon = request.window_us, request.horizon_us
local call = {now = now, window = window, horizon = horizon}

local function read_state(key, fields, unknown)
  local state = {}
  for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
    state[fields[i]] = tonumber(value or unknown[fields[i]] or 0)
  end
  return state
end

local function store_state(key, state, fields, others)
  local stored = others
  for _, field in ipairs(fields) do
    stored[#stored + 1] = field
    stored[#stored + 1] = state[field]
  end
  redis.call('HSET', key, unpack(stored))
end

-- 1. The model's limits, and the part of them in use.

local FIELDS = {'last', 'pause', 'sum', 'paced', 'even', 'rpm', 'tpm', 'share', 'cut_at', 'grown_at',
  'polls', 'polls_refused', 'polls_at', 'polls_charged'}
local state = read_state(state_key, FIELDS, {share = 1})
record_replies(state, request, now)

local in_force = limits_in_force(state, team_key, request.fallback_limits)
local rpm, tpm = share_of(in_force.rpm, state.share), share_of(in_force.tpm * MARGIN, state.share)
local rps = requests_a_second(rpm, request.fallback_limits)
local log = open_log(log_key, state, call, rpm, tpm)
if rps > 0 then log.spacing = math.max(log.spacing, request.second_us / rps) end

-- 2. The runs' own limits. Where one was lowered, the run is to go on at once at the new rate: what it sent
-- before does not count.

local RUN_FIELDS = {'sum', 'even', 'paced', 'force_rpm', 'force_tpm'}
local UNKNOWN = {force_rpm = -1, force_tpm = -1}

local function is_lower(limit, before)
  return limit > 0 and (before == 0 or limit < before)
end

local function open_run(nth, id, own_rpm, own_tpm)
  local run_key, run_log_key = KEYS[nth * 2 + 4], KEYS[nth * 2 + 5]
  local its = read_state(run_key, RUN_FIELDS, UNKNOWN)
  if own_rpm >= 0 and (own_rpm ~= its.force_rpm or own_tpm ~= its.force_tpm) then
    if is_lower(own_rpm, its.force_rpm) or is_lower(own_tpm, its.force_tpm) then
      redis.call('DEL', run_log_key)
      its.sum = 0
    end
    its.force_rpm, its.force_tpm, its.even, its.paced = own_rpm, own_tpm, 0, 0
  end
  local own_part = share_of(math.max(0, its.force_tpm) * MARGIN, 1)
  local run = open_log(run_log_key, its, call, math.max(0, its.force_rpm), own_part)
  run.id, run.state_key, run.retry_after = id, run_key, -1
  return run
end

local runs = {}
for nth, given in ipairs(request.runs) do runs[nth] = open_run(nth, unpack(given)) end

-- 3. Confirmed, settled and released slots, in both logs. Then what left the window.

local function in_both(change, run, ...)
  change(log, ...)
  if run then change(runs[run], ...) end
end

for _, one in ipairs(request.confirm) do in_both(confirm, one[3], one[1], one[2]) end
for _, one in ipairs(request.settle) do in_both(settle, one[3], one[1], one[2]) end
for _, one in ipairs(request.release) do in_both(release, one[2], one[1]) end

drop_expired(log)
for _, run in ipairs(runs) do drop_expired(run) end

-- 4. Grant slots, each as early as every limit of the model allows, until one is beyond the horizon.

-- A short file need not keep the pace of a minute: it may start almost as fast as the limit of a second
-- allows. Not after a 429, and not at the lowest limit of a second.
local spacing_min = log.spacing
if rps > RPS_MIN and state.share >= 1 then
  spacing_min = math.min(log.spacing, request.second_us / rps / PACE)
end

-- The entry `rps` slots before a new slot must be a second old. newest[n] is that entry of the n-th new slot.
local newest = {}
local wanted, used = request.wanted, log.used
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

-- When the model's limits allow a request as the nth new slot.
local function earliest(nth, tokens)
  local at = math.max(now, state.last + spacing_min, state.pause, earliest_in_log(log, tokens))
  return math.ceil(math.max(at, earliest_in_second(nth)))
end

-- The slots of a model follow one another, so a slot that waited for the limit of its run would hold up all
-- other runs. It is granted only where the run's limits allow it at the model's next place. Else the run is
-- left out of this call; as far as BURST_WINDOWS it makes up later for what it lost.
local function is_held_up(run, at, tokens)
  local allowed_at = earliest_in_log(run, tokens)
  if allowed_at > at then run.retry_after = allowed_at - at end
  return allowed_at > at
end

local retry_after, granted, count = -1, {}, 0
for nth, one in ipairs(wanted) do
  local estimate, run = one, nil
  if type(one) == 'table' then estimate, run = one[1], runs[one[2]] end
  if not run or run.retry_after < 0 then
    local tokens = tpm > 0 and math.min(estimate, tpm) or estimate
    local at = earliest(count + 1, tokens)
    if at - now > horizon then
      retry_after = at - now - horizon
      break
    end
    if not (run and is_held_up(run, at, tokens)) then
      local id = request.call_id .. ':' .. nth .. (run and '@' .. run.id or '')
      local member = member_of(id, tokens)
      enter(log, member, at, tokens)
      if run then enter(run, member, at, tokens) end
      state.last = at
      count = count + 1
      newest[rps + count] = at
      granted[#granted + 1] = nth
      granted[#granted + 1] = at - now
      granted[#granted + 1] = tokens
    end
  end
end

-- 5. Store the clock and the states.

keep_clock(clock_key, now, behind)
local shown = {'force_rpm', in_force.rpm, 'force_tpm', in_force.tpm, 'force_rps', rps}
store_state(state_key, state, FIELDS, #wanted > 0 and shown or {})
redis.call('PEXPIRE', state_key, STATE_KEPT_MS)
redis.call('PEXPIRE', log_key, math.ceil(window * 2 / 1000))

local waits = {}
for nth, run in ipairs(runs) do
  store_state(run.state_key, run.state, RUN_FIELDS, {})
  redis.call('PEXPIRE', run.state_key, STATE_KEPT_MS)
  redis.call('PEXPIRE', run.key, math.ceil(window * 2 / 1000))
  waits[nth] = math.ceil(run.retry_after)
end

return {'ok', math.max(0, state.pause - now), math.ceil(retry_after), granted, state.polls_charged,
  {in_force.rpm, in_force.tpm, rps}, waits}
