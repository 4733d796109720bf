-- Take over the limits of a team from the database (versioned_limits.lua).
--
-- KEYS   1: the team's limits
-- ARGV   1: their version;  2: rpm;  3: tpm; "": not set
-- Reply  1, or 0 where newer ones are there

return take_over_limits(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
