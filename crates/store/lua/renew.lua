#!lua flags=allow-oom
-- Moves the leases of jobs that a worker still holds.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 lease (ms), then for each job: key, fence
-- Returns the keys that it no longer holds
-- shared: claims.lua
local base, worker = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost, keys = {}, {}
for at = 3, #ARGV, 2 do keys[#keys + 1] = ARGV[at] end
local claims = #keys > 0 and redis.call('HMGET', base .. 'held', unpack(keys)) or {}
for at = 3, #ARGV, 2 do
  local key, fence = ARGV[at], ARGV[at + 1]
  local claim = standing(claims[(at - 1) / 2], 0)
  if claim and claim.fence == fence and claim.worker == worker then
    redis.call('ZADD', base .. 'to_ask', 'XX', now + tonumber(ARGV[2]), key)
  else
    lost[#lost + 1] = key
  end
end
return lost
