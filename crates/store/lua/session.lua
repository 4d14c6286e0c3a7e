#!lua flags=allow-oom
-- Begins, uses, finds or ends a session of the dashboard. A session that is not used within the idle limit is over.
-- KEYS  1 the base of one bearer's sessions
-- ARGV  1 'begin', 'use', 'find' or 'end'; 2 the session's name; 3 idle limit (ms); 4 sessions of one bearer at most
-- Returns 1 if the session is there, or was before its end, else 0
local sessions, step, name = KEYS[1] .. 'sessions', ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Members are ranked by the time at which they will have been idle for too long.
redis.call('ZREMRANGEBYSCORE', sessions, '-inf', string.format('%d', now))
local found = redis.call('ZSCORE', sessions, name) and 1 or 0
if step == 'end' then
  redis.call('ZREM', sessions, name)
elseif step == 'begin' or (step == 'use' and found == 1) then
  redis.call('ZADD', sessions, string.format('%d', now + tonumber(ARGV[3])), name)
  redis.call('ZREMRANGEBYRANK', sessions, 0, string.format('%d', -1 - tonumber(ARGV[4])))
  redis.call('PEXPIRE', sessions, ARGV[3])
  return 1
end
return found
