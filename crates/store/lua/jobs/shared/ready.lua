-- ready
-- `ready` has every queue of the partition in which something waits, by when it is due: an idle worker looks there and nowhere else.
-- What is written brings a queue's time forward; a claim, which sees all, sets it.
local function bring_forward(due) redis.call('ZADD', base .. 'ready', 'LT', due, queue) end
