#!lua flags=allow-oom
-- Extends the leases of a worker's claimed jobs, and reports its knowledge of the queue: a worker without a free slot,
-- or one that drains, claims nothing, and may be the only one that knows of lost writes.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 worker, 3 lease (ms), 4 events kept, 5 the number of this worker's last receipt, 6 the highest fence of the queue that it
--       knows (0 = none), 7 the pause reason after lost writes ('' = no pause), 8 the worker's estimate of Redis's time
--       (ms, 0 = none), then for each job: key, the beginning of the claim's text
-- Returns {now (ms), fence, era, 1 if Redis has lost writes else 0, jobs that are no longer this worker's}: of each its key, its claim and its
--         record ('' = none), and '1' if the claim was released
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: lost_writes.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local paused, fence, era, resumed = unpack(redis.call('HMGET', KEYS[2], 'paused', 'fence', 'era', 'resumed'))
fence, era, resumed = tonumber(fence) or 0, tonumber(era) or 0, tonumber(resumed) or 0
local known_receipt, known_fence = tonumber(ARGV[5]), tonumber(ARGV[6])
local receipt = known_receipt > 0 and last_receipt(ARGV[2]) or 0
local lost = has_lost_writes(receipt, fence, now, known_receipt, known_fence, tonumber(ARGV[8]))
local keys, renewed, gone = {}, {}, {}
for at = 9, #ARGV, 2 do keys[#keys + 1] = ARGV[at] end
local claims = #keys > 0 and redis.call('HMGET', queue_key('claims'), unpack(keys)) or {}
local lease_end = integer(now + tonumber(ARGV[3]))
for number, key in ipairs(keys) do
  local beginning, claim = ARGV[8 + 2 * number], claims[number] or ''
  if string.sub(claim, 1, #beginning) == beginning then
    local place = #renewed
    renewed[place + 1], renewed[place + 2] = lease_end, key
  else
    local place, record = #gone, redis.pcall('GET', job_key(key))
    gone[place + 1], gone[place + 2], gone[place + 3] = key, claim, type(record) == 'string' and record or ''
    gone[place + 4] = redis.call('HEXISTS', queue_key('released'), key .. ' ' .. beginning) == 1 and '1' or ''
  end
end
if #renewed > 0 then
  redis.call('ZADD', queue_key('due_queries'), 'XX', unpack(renewed))
  bring_forward(lease_end) -- a lease may be shorter than it was
end
if lost then
  fence = math.max(fence, known_fence) + 1
  era = begin_era(era, fence, ARGV[4])
end
pause_after_losses(era, resumed, ARGV[7], paused, ARGV[4])
return { now, fence, era, lost and 1 or 0, gone }
