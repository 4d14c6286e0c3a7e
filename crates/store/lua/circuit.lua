#!lua flags=allow-oom
-- Writes down until when one worker sends nothing in a lane because its circuit is open, or that it has closed. It is for people
-- to read: nothing is decided by it.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 how long it rests (ms, '' = the circuit has closed), 3 for how long after a rest its word counts (ms)
-- Returns nothing
local circuits = KEYS[1] .. 'circuits'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HGETALL', circuits)
for at = 1, #known, 2 do
  if tonumber(known[at + 1]) + tonumber(ARGV[3]) < now then redis.call('HDEL', circuits, known[at]) end -- its worker has died
end
if ARGV[2] == '' then
  redis.call('HDEL', circuits, ARGV[1])
else
  redis.call('HSET', circuits, ARGV[1], string.format('%d', now + ARGV[2]))
  redis.call('PEXPIRE', circuits, ARGV[2] + ARGV[3])
end
