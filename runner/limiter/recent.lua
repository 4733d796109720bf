-- Remember what came of the last requests of a run, as all workers saw it.
--
-- KEYS   1: {runner}:recent:<run>:<door>, a string of "1" for a bad end and "0" for any other, oldest first
-- ARGV   what is new, in the same words; how many are kept; for how many milliseconds
-- Reply  the string as it stands

local kept = string.sub((redis.call('GET', KEYS[1]) or '') .. ARGV[1], -tonumber(ARGV[2]))
redis.call('SET', KEYS[1], kept, 'PX', ARGV[3])
return kept
