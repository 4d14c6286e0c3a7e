#!lua flags=allow-oom
-- Records of a notification that the job that it names knows of it.
-- KEYS  1 the base of the account's notifications
-- ARGV  1 the notification's number
-- Returns 1, or 0 when its detail has gone
local note = KEYS[1] .. 'note:' .. ARGV[1]
if redis.call('EXISTS', note) == 0 then return 0 end
redis.call('HSET', note, 'ln', '1')
return 1
