#!lua flags=allow-oom
-- Brings forward the next look at one job that waits to be asked about; a job that a worker holds is looked at already.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 key
-- Returns 1 when it was brought forward, 0 when nothing waits
local base, key = KEYS[1], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HEXISTS', base .. 'held', key) == 1 then return 0 end
if redis.call('ZADD', base .. 'to_ask', 'XX', 'LT', 'CH', now, key) == 0 then return 0 end
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return 1
