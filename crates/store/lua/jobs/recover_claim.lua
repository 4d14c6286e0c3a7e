#!lua flags=allow-oom
-- The receipt of a claim whose reply was lost; if the claim has not arrived yet, it will find that it was given up.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 worker, 3 number of the claim, 4 its retention (ms)
-- Returns the receipt: the claim's number, then a line for each job: its key, and its group if it has one; false if it took nothing
-- shared: names.lua
local name, number = queue_key('receipt') .. ':' .. ARGV[2], tonumber(ARGV[3])
local receipt = redis.call('GET', name)
local last = receipt and tonumber(string.match(receipt, '^%d+')) or -1
if last == number then return receipt end
if last < number then redis.call('SET', name, ARGV[3], 'PX', ARGV[4]) end
return false
