#!lua flags=allow-oom
-- Claims due webhook events, one of each job or notification: each belongs to its dispatcher until the lease ends.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 the claim's token as JSON, 3 lease (ms), 4 most deliveries, 5 the type of their records: 'job' | 'notification'
-- Returns {now (ms), next due (ms, -1 = nothing waits), deliveries}; each is five of `deliveries`: its key, its claim, the event, the
--         delivery's record, the record of its job or notification (each of the last three false = there is none)
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: entries.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keys = redis.call('ZRANGEBYSCORE', queue_key('due_deliveries'), '-inf', now, 'LIMIT', 0, ARGV[4])
local deliveries = {}
if #keys > 0 then
  local names = {}
  for at, key in ipairs(keys) do
    names[2 * at - 1], names[2 * at] = queue_key('delivery') .. ':' .. key, queue_key(ARGV[5]) .. ':' .. key
  end
  local records = redis.call('MGET', unpack(names))
  local earlier = redis.call('HMGET', queue_key('delivery_claims'), unpack(keys))
  local entry, lease_end = entry_of(ARGV[2], 'deliver', integer(now)), integer(now + tonumber(ARGV[3]))
  for at, key in ipairs(keys) do
    local lost_claim = earlier[at]
    if lost_claim then
      -- Of the claims that were lost the first one counts: since then the event has been tried.
      local _, after = string.find(lost_claim, ',"after":', 1, true)
      lost_claim = after and string.sub(lost_claim, after + 1, -2) or lost_claim
    end
    local event, place = redis.pcall('LINDEX', queue_key('outbox') .. ':' .. key, 0), 5 * (at - 1)
    deliveries[place + 1], deliveries[place + 2] = key, add_claim(key, entry, lost_claim, lease_end)
    deliveries[place + 3] = type(event) == 'string' and event -- false: a foreign type, or nothing
    deliveries[place + 4], deliveries[place + 5] = records[2 * at - 1], records[2 * at]
  end
end
keep_claims('due_deliveries', 'delivery_claims')
local next_due = tonumber(redis.call('ZRANGE', queue_key('due_deliveries'), 0, 0, 'WITHSCORES')[2]) or math.huge
return { now, set_ready('ready_deliveries', next_due), deliveries }
