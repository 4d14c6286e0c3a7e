#!lua flags=allow-oom
-- Moves the next query of one job forward; a claimed job is in progress already.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 key
-- Returns 1 if it was moved forward, 0 if nothing waits
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
local time = redis.call('TIME')
local now = integer(time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('HEXISTS', queue_key('claims'), ARGV[3]) == 1 then return 0 end
if redis.call('ZADD', queue_key('due_queries'), 'XX', 'LT', 'CH', now, ARGV[3]) == 0 then return 0 end
bring_forward(now)
redis.pcall('PUBLISH', ARGV[2], queue)
return 1
