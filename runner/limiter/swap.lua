-- Write a model's lessons, unless somebody else has written since they were read.
--
-- KEYS   1: {runner}:learned, a hash of lessons by model
-- ARGV   model, the lessons as they were read ("" for none), as they are now
-- Reply  {1 or 0: written or not, the lessons that stand}

local stand = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stand ~= ARGV[2] then return {0, stand} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {1, ARGV[3]}
