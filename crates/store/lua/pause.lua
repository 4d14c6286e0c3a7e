#!lua flags=allow-oom
-- Pauses a lane (nothing new is sent; what was sent is followed) or resumes it.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 events kept, 4 'pause'|'resume', 5 the reason
-- Returns 1 when that changed anything, 0 when the lane was so already
local base, paused = KEYS[1], ARGV[4] == 'pause'
local changed
if paused then
  changed = redis.call('HSETNX', base .. 'lane', 'paused', ARGV[5])
else
  changed = redis.call('HDEL', base .. 'lane', 'paused')
  local time = redis.call('TIME')
  local era = redis.call('HGET', base .. 'lane', 'era') or '0' -- what was lost until now is what this person answers for
  redis.call('HSET', base .. 'lane', 'resumed', era, 'resumed_at', time[1] * 1000 + math.floor(time[2] / 1000))
end
if changed == 1 then
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'lane', paused and 'paused' or 'resumed', 'reason', ARGV[5])
  redis.pcall('PUBLISH', ARGV[1], ARGV[2])
end
return changed
