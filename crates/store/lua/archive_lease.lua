#!lua flags=allow-oom
-- Gives a worker the lease for archiving the jobs of a partition, unless another worker has it.
-- KEYS  1 the partition's base
-- ARGV  1 the worker's token, 2 lease (ms), the same for all workers
-- Returns {} if another worker has it, else {the newest segment whose jobs are all marked, the time by Redis's clock (ms)}
-- shared: integer.lua
local name = KEYS[1] .. 'archive'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', name, 'holder', 'until', 'marked')
local ends = tonumber(lease[2]) or 0
-- A lease that ends later than one can was written before Redis's clock was set back.
if lease[1] and lease[1] ~= ARGV[1] and ends > now and ends <= now + ARGV[2] then return {} end
redis.call('HSET', name, 'holder', ARGV[1], 'until', integer(now + ARGV[2]))
return { lease[3] or '0', integer(now) }
