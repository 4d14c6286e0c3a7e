#!lua flags=allow-oom
-- Marks jobs as archived and notes the progress, for the worker that has the partition's lease; renews the lease, or ends it.
-- KEYS  1 the partition's base
-- ARGV  1 the worker's token, 2 lease (ms), 0 to end it, 3 number of words of progress, then those: names and values; then for each
--       job: queue, key, mark
-- Returns 1; 0 if another worker has the lease: then nothing is written
-- shared: integer.lua
local base = KEYS[1]
local name = base .. 'archive'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', name, 'holder') ~= ARGV[1] then return 0 end
local lease, words = tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('HSET', name, 'until', integer(lease > 0 and now + lease or 0))
if words > 0 then redis.call('HSET', name, unpack(ARGV, 4, 3 + words)) end
for at = 4 + words, #ARGV, 3 do
  local queue, key, mark = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  -- A mark goes with the job's details: none is made for a job that was reduced meanwhile.
  if redis.call('ZSCORE', base .. 'done:' .. queue, key) then redis.call('SET', base .. 'archived:' .. queue .. ':' .. key, mark) end
  redis.call('ZREM', base .. 'unarchived:' .. queue, key)
end
return 1
