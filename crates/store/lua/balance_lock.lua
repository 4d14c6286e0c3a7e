#!lua flags=allow-oom
-- Takes the turn to ask for an account's balance: one process's, once in so long.
-- KEYS  1 the base of the account's balance
-- ARGV  1 how often it is asked for (ms)
-- Returns 0 when it was taken, else how long to wait for the next one (ms)
local lock, every = KEYS[1] .. 'lock', tonumber(ARGV[1])
if redis.call('SET', lock, '1', 'NX', 'PX', every) then return 0 end
local left = redis.call('PTTL', lock)
-- Taken by a process that asks less often, by an older configuration.
if left < 0 or left > every then
  redis.call('PEXPIRE', lock, every)
  left = every
end
return math.max(left, 1)
