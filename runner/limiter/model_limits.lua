-- The limits of a model's bucket: what is in force, and how much of it is used after 429s. Loaded after
-- sliding_log.lua.

local RPM_PER_RPS = 48        -- the API's own rule, with RPS_MIN (docs.x.ai, rate limits, October 2026)
local RPS_MIN = 2
local CUT = 0.9               -- a 429 cuts the share to this part of it,
local SHARE_MIN = 0.05        -- down to this,
local CUTS_PER_WINDOW = 4     -- at most this often
local GROWTH_PER_WINDOW = 1 / 60
local POLLS_KEPT_WINDOWS = 2  -- polls and their 429s decay with this time constant
local POLLS_REFUSED_FROM = 3  -- polls are charged from this many 429s on,
local POLLS_REFUSED_SHARE = 0.2  -- if they are more than this share of the polls,
local POLLS_FORGIVEN = 1      -- until fewer than this many are left

-- Record announced limits, 429s and pauses.
local function record_replies(state, request, now)
  local window = request.window_us
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
end

-- The limit that was set for the team, lowered to the announced one; else the announced one; else the model
-- table's. A team's limit of 0 lifts the others.
local function limit_in_force(set, announced, fallback)
  if set == 0 then return 0 end
  if set then return announced > 0 and math.min(set, announced) or set end
  if announced > 0 then return announced end
  return math.max(0, fallback)
end

-- The limits in force, of requests and of tokens a minute; 0: no limit.
local function limits_in_force(state, team_key, fallback)
  local team = redis.call('HMGET', team_key, 'rpm', 'tpm')
  return {
    rpm = limit_in_force(tonumber(team[1]), state.rpm, fallback.rpm),
    tpm = limit_in_force(tonumber(team[2]), state.tpm, fallback.tpm),
  }
end

-- The part of a limit that is in use; 0: no limit.
local function share_of(limit, share)
  return limit == 0 and 0 or math.max(1, math.floor(limit * share))
end

-- The limit of a second: the API's own rule on the requests a minute that are in use, unless the fallback has
-- one; 0: no limit.
local function requests_a_second(rpm, fallback)
  if fallback.rps >= 0 then return fallback.rps end
  return rpm > 0 and math.max(RPS_MIN, math.floor(rpm / RPM_PER_RPS)) or 0
end
