-- Compare and set: write a model's estimates, unless another process wrote since they were read.
--
-- KEYS   1: {runner}:learned, a hash of estimates by model
-- ARGV   1: model;  2: the record as it was read ("" for none);  3: the new record
-- Reply  {1 (written) or 0 (not), the record now stored}

local stored = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stored ~= ARGV[2] then return {0, stored} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {1, ARGV[3]}
