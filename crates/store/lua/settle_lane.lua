#!lua flags=allow-oom
-- After a lane was reconciled with journals: its epoch is no lower than theirs, and the pause that waited for this ends. It is no
-- person's order to send what may have been sent, so `resumed` stays as it is.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 events kept, 4 the journals' highest epoch, 5 the reason of a lane that is paused until this is done, 6 the reason
--       why it is resumed
-- Returns 1 when a pause ended, else 0
local base = KEYS[1]
local epoch, paused = unpack(redis.call('HMGET', base .. 'lane', 'e', 'paused'))
if (tonumber(epoch) or 0) < tonumber(ARGV[4]) then redis.call('HSET', base .. 'lane', 'e', ARGV[4]) end
if paused ~= ARGV[5] then return 0 end
redis.call('HDEL', base .. 'lane', 'paused')
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'lane', 'resumed', 'reason', ARGV[6])
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return 1
