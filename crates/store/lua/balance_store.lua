#!lua flags=allow-oom
-- Stores the gateway's amounts of a balance in place of the earlier ones; or that a query returned none.
-- KEYS  1 the base of the account's balance
-- ARGV  1 the account's sub-type, then names and amounts (fen) as returned; none after a query without amounts
-- Returns 'ok'
local amounts = KEYS[1] .. 'amounts:' .. ARGV[1]
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSETNX', amounts, 'since', now)
if #ARGV > 1 then
  redis.call('HDEL', amounts, 'available', 'frozen', 'retained', 'total') -- a part that is left out now is not known any more
  redis.call('HSET', amounts, 'at', now, unpack(ARGV, 2))
end
return 'ok'
