-- The limits of a team by the settings of its workers. Loaded after common.lua.
--
-- The team's limits are a hash:
--   rpm, tpm                  the limits; missing: not set
--   rpm_setting, tpm_setting  what settings had last
--   rpm_host, tpm_host        the host of these settings

-- Set the limits that the settings of a host have, "" for none, if settings had others last. So a worker that
-- starts with the settings of before does not undo what a person has set since. A limit that came from the
-- settings of a host is removed when they no longer have it. `early_key` has the limits that were set
-- by the fingerprint of the team's API key, before its name was known.
local function take_over_settings(key, early_key, host, settings)
  for name, setting in pairs(settings) do
    local early = early_key ~= key and redis.call('HGET', early_key, name)
    if early then redis.call('HSET', key, name, early) end

    local found = redis.call('HMGET', key, name, name .. '_setting', name .. '_host')
    local value, before, set_by = found[1], found[2] or '', found[3]
    if setting ~= '' and setting ~= before then
      redis.call('HSET', key, name, setting, name .. '_setting', setting, name .. '_host', host)
    elseif setting == '' and before ~= '' and set_by == host then
      if value == before then redis.call('HDEL', key, name) end
      redis.call('HDEL', key, name .. '_setting', name .. '_host')
    end
  end
  if early_key ~= key then redis.call('DEL', early_key) end
end
