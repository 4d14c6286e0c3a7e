#!lua flags=allow-oom
-- Has the failed webhook events of a job or notification delivered again, or brings the next attempt of waiting ones forward. A failed
-- event keeps its number and its time, so that its webhook-id stays the same.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 key, 3 delivery channel, 4 line for the history, to which the number of events is added, 5 record of attempts that says that the
--       receiver wants no more, '' = there is none
-- Returns the number of events | -1 = none has failed and none waits | -2 = one is being delivered | -3 = too many wait
-- shared: integer.lua
-- shared: names.lua
-- shared: deliveries.lua
local time = redis.call('TIME')
local now = integer(time[1] * 1000 + math.floor(time[2] / 1000))
local key, unwanted = ARGV[2], ARGV[5]
local failed, outbox = queue_key('failed') .. ':' .. key, queue_key('outbox') .. ':' .. key
local record = queue_key('delivery') .. ':' .. key
local events = redis.call('LRANGE', failed, 0, -1)
local waiting = redis.call('LLEN', outbox)
if #events == 0 and (waiting == 0 or not redis.call('ZSCORE', queue_key('due_deliveries'), key)) then return -1 end
if redis.call('HEXISTS', queue_key('delivery_claims'), key) == 1 then return -2 end
if waiting + #events > MAX_WAITING then return -3 end
if unwanted ~= '' and redis.call('GET', record) == unwanted then redis.call('UNLINK', record) end
if #events > 0 then
  redis.call('RPUSH', outbox, unpack(events))
  redis.call('UNLINK', failed)
  redis.call('ZREM', queue_key('failed_deliveries'), key)
end
local count = #events > 0 and #events or waiting
redis.call('ZADD', queue_key('due_deliveries'), now, key)
redis.call('ZADD', base .. 'ready_deliveries', 'LT', now, queue)
redis.call('RPUSH', queue_key('history') .. ':' .. key, string.sub(ARGV[4], 1, -2) .. ',"events":' .. count .. '}')
redis.pcall('PUBLISH', ARGV[3], queue)
return count
