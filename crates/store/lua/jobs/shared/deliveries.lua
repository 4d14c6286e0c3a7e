-- deliveries
-- A job's outbox is a list of events, each added in the same step as the state that it reports, so that neither is ever
-- recorded without the other.
local MAX_WAITING = 16 -- a job ends once and may be refunded: only an operator who orders many calls fills it
local to_deliver, to_deliver_count = {}, 0
local function enqueue_delivery(key, event, now)
  local outbox = queue_key('outbox') .. ':' .. key
  local waiting = redis.pcall('RPUSH', outbox, event)
  if type(waiting) ~= 'number' then return end -- a list of a foreign type must not keep the state from the record
  if waiting > MAX_WAITING then
    -- The oldest but the one that may be under way: a review, for ends come last.
    local dropped = redis.call('LINDEX', outbox, 1)
    redis.call('LSET', outbox, 1, '')
    redis.call('LREM', outbox, 1, '')
    redis.pcall('RPUSH', queue_key('history') .. ':' .. key, '{"event":"delivery","at":' .. now .. ',"outcome":"dropped","dropped":' .. dropped .. '}')
  end
  to_deliver[to_deliver_count + 1], to_deliver[to_deliver_count + 2] = now, key
  to_deliver_count = to_deliver_count + 2
end
-- Makes a new event due. `channel` wakes dispatchers.
local function make_deliveries_due(now, channel)
  if to_deliver_count == 0 then return end
  redis.pcall('ZADD', queue_key('due_deliveries'), 'NX', unpack(to_deliver)) -- one that waits or is under way keeps its time
  redis.pcall('ZADD', base .. 'ready_deliveries', 'LT', now, queue)
  redis.pcall('PUBLISH', channel, queue)
end
