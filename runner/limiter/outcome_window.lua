-- Append the outcomes of requests of a run to the shared window of the last ones.
--
-- KEYS   1: {runner}:recent:<run>:<endpoint>, a string of "1" (bad) and "0" (good), oldest first
-- ARGV   1: new outcomes, in the same form;  2: length of the window;  3: milliseconds to keep it
-- Reply  the window

local window = string.sub((redis.call('GET', KEYS[1]) or '') .. ARGV[1], -tonumber(ARGV[2]))
redis.call('SET', KEYS[1], window, 'PX', ARGV[3])
return window
