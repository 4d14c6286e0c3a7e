#!lua flags=allow-oom
-- Records until when one worker sends nothing in a queue because its circuit breaker is open, or that it has closed.
-- Operators read it: nothing is decided by it.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 worker, 3 the breaker's pause (ms, '' = it has closed), 4 the time after the pause for which the report counts (ms)
-- Returns nothing
-- shared: integer.lua
-- shared: names.lua
local circuits, worker, rest, counted = queue_key('circuits'), ARGV[2], ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local workers, untils = redis.call('HKEYS', circuits), redis.call('HVALS', circuits)
for at, known in ipairs(workers) do
  if tonumber(untils[at]) + counted < now then redis.call('HDEL', circuits, known) end -- its worker has died
end
if rest == '' then
  redis.call('HDEL', circuits, worker)
else
  redis.call('HSET', circuits, worker, integer(now + rest))
  redis.call('PEXPIRE', circuits, rest + counted)
end
