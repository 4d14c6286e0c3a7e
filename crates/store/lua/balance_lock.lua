#!lua flags=allow-oom
-- Takes the lock for querying an account's balance: one process gets it, once in each interval.
-- KEYS  1 the base of the account's balance
-- ARGV  1 interval (ms)
-- Returns 0 if it was taken, else the time until the next try (ms)
local lock, every = KEYS[1] .. 'lock', tonumber(ARGV[1])
if redis.call('SET', lock, '1', 'NX', 'PX', every) then return 0 end
local left = redis.call('PTTL', lock)
-- Taken by a process with an older configuration and a longer interval.
if left < 0 or left > every then
  redis.call('PEXPIRE', lock, every)
  left = every
end
return math.max(left, 1)
