-- ready
-- `ready` has every queue of the partition with waiting work, by its due time: an idle worker reads only that.
-- `ready_deliveries` is the same for webhooks. A write moves a queue's time forward; a claim, which sees all jobs, sets
-- it.
local function bring_forward(due, set) redis.call('ZADD', base .. (set or 'ready'), 'LT', due, queue) end
local function set_ready(set, due)
  if due == math.huge then
    redis.call('ZREM', base .. set, queue)
    return -1
  end
  redis.call('ZADD', base .. set, due, queue)
  return due
end
