#!lua flags=allow-oom
-- What a claim gave whose reply was lost; if it has not arrived here yet, it will find that it was given up.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 number of the claim, 3 how long that is kept (ms)
-- Returns the receipt: the claim's number, then a line "key fence" for each job; false when it gave nothing
local name, number = KEYS[1] .. 'claim:' .. ARGV[1], tonumber(ARGV[2])
local receipt = redis.call('GET', name)
local last = receipt and tonumber(string.match(receipt, '^%d+')) or -1
if last == number then return receipt end
if last < number then redis.call('SET', name, ARGV[2], 'PX', ARGV[3]) end
return false
