-- Let the settings of a worker that starts set the limits of its team (team_settings.lua).
--
-- KEYS   1: the team's limits;  2: those that were set before its name was known
-- ARGV   1: host;  2: rpm;  3: tpm, as its settings have them; "": not set

take_over_settings(KEYS[1], KEYS[2], ARGV[1], {rpm = ARGV[2], tpm = ARGV[3]})
return 1
