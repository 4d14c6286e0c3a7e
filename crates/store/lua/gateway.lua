#!lua flags=allow-oom
-- Makes another gateway that of a lane's jobs, if it still is the one that the caller saw.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 events kept, 4 the gateway seen ('' = none), 5 the new one, 6 the reason
-- Returns 1 when it was changed, 0 when the lane has another one than was seen
local base = KEYS[1]
if (redis.call('HGET', base .. 'lane', 'gateway') or '') ~= ARGV[4] then return 0 end
redis.call('HSET', base .. 'lane', 'gateway', ARGV[5])
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'lane', 'gateway', 'reason', ARGV[6])
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return 1
