-- What the settings of a worker say of the limits of its team. Loaded after common.lua.
--
-- The team's limits are a hash:
--   rpm, tpm                  the limits; missing: not set
--   rpm_setting, tpm_setting  what settings said last
--   rpm_host, tpm_host        the host whose settings said it

-- Take over what the settings of a host say, "" for nothing, if that is not what settings said last. A worker
-- that starts with the settings of before does not undo what a person said since. A host takes back what it
-- said itself, when its settings no longer say it. `early_key` has the limits that were set by the fingerprint
-- of the team's API key, before its name was known.
local function take_over_settings(key, early_key, host, settings)
  for name, setting in pairs(settings) do
    local early = early_key ~= key and redis.call('HGET', early_key, name)
    if early then redis.call('HSET', key, name, early) end

    local found = redis.call('HMGET', key, name, name .. '_setting', name .. '_host')
    local value, before, said_by = found[1], found[2] or '', found[3]
    if setting ~= '' and setting ~= before then
      redis.call('HSET', key, name, setting, name .. '_setting', setting, name .. '_host', host)
    elseif setting == '' and before ~= '' and said_by == host then
      if value == before then redis.call('HDEL', key, name) end
      redis.call('HDEL', key, name .. '_setting', name .. '_host')
    end
  end
  if early_key ~= key then redis.call('DEL', early_key) end
end
