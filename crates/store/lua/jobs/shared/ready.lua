-- ready
-- `ready` has every queue of the partition in which something waits, by when it is due: an idle worker looks there and nowhere else.
-- `ready_deliveries` is the same for webhooks. What is written brings a queue's time forward; a claim, which sees all, sets it.
local function bring_forward(due, set) redis.call('ZADD', base .. (set or 'ready'), 'LT', due, queue) end
local function set_ready(set, due)
  if due == math.huge then
    redis.call('ZREM', base .. set, queue)
    return -1
  end
  redis.call('ZADD', base .. set, due, queue)
  return due
end
