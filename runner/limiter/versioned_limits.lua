-- The limits of a team as the database has them. Loaded after common.lua.

-- Take over the limits of a team, "" for one that is not set, unless newer ones are there. The same again
-- mends what has changed them meanwhile.
local function take_over_limits(key, version, rpm, tpm)
  if tonumber(version) < tonumber(redis.call('HGET', key, 'version') or 0) then return 0 end
  redis.call('DEL', key)
  redis.call('HSET', key, 'version', version)
  if rpm ~= '' then redis.call('HSET', key, 'rpm', rpm) end
  if tpm ~= '' then redis.call('HSET', key, 'tpm', tpm) end
  return 1
end
