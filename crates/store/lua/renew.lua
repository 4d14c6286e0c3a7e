#!lua flags=allow-oom
-- Moves the leases of jobs that a worker still holds, and says what the worker knows of the lane: a worker whose places are all taken,
-- or that drains, claims nothing, and may be the only one who knows of writes that Redis has lost.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 lease (ms), 3 events kept, 4 the number of this worker's last receipt, 5 the highest epoch and 6 the era of the
--       lane, as far as it remembers them (0 = not), 7 the reason for which lost writes pause the lane ('' = they do not), 8 the worker's idea of Redis's time (ms, 0 = none), then for
--       each job: key, fence, token
-- Returns {now (ms), epoch, era, 1 if Redis has lost writes else 0, keys that it no longer holds}
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: losses.lua
local base, worker, known_era = KEYS[1], ARGV[1], tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local paused, epoch, era, resumed = unpack(redis.call('HMGET', base .. 'lane', 'paused', 'e', 'era', 'resumed'))
epoch, era, resumed = tonumber(epoch) or 0, tonumber(era) or 0, tonumber(resumed) or 0
local known_receipt, known_epoch = tonumber(ARGV[4]), tonumber(ARGV[5])
local receipt = known_receipt > 0 and last_receipt(base, worker) or 0
local lost = has_lost_writes(receipt, epoch, now, known_receipt, known_epoch, tonumber(ARGV[8]))

-- A claim that is gone from under its worker has been committed, was taken over after its lease, or was lost.
local function was_lost(key, claim_text, fence, token)
  local marked, tombstone, ended_by = unpack(redis.pcall('HMGET', base .. 'job:' .. key, 'm', 'z', 'k'))
  local _, _, _, record_fence = marks_of(marked)
  if tombstone or (record_fence and ended_by == token) then return false end
  local claim = standing(claim_text, record_fence or 0)
  return tonumber(claim and claim.fence or record_fence or 0) <= tonumber(fence)
end
local gone, keys = {}, {}
for at = 9, #ARGV, 3 do keys[#keys + 1] = ARGV[at] end
local claims = #keys > 0 and redis.call('HMGET', base .. 'held', unpack(keys)) or {}
for at = 9, #ARGV, 3 do
  local key, fence, token = unpack(ARGV, at, at + 2)
  local text = claims[(at - 6) / 3]
  local claim = standing(text, 0)
  if claim and claim.token == token then
    redis.call('ZADD', base .. 'to_ask', 'XX', now + tonumber(ARGV[2]), key)
  else
    gone[#gone + 1] = key
    -- Where the lane is in a later era than the worker knows, the loss has been noticed since.
    lost = lost or (era <= known_era and was_lost(key, text, fence, token))
  end
end
if lost then
  epoch = math.max(epoch, known_epoch) + 1
  era = begin_era(base, era, epoch, ARGV[3])
end
pause_after_losses(base, era, resumed, ARGV[7], paused, ARGV[3])
return { now, epoch, era, lost and 1 or 0, gone }
