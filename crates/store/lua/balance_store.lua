#!lua flags=allow-oom
-- Keeps what the gateway told of a balance, in place of what it told before; or that it was asked and told nothing.
-- KEYS  1 the base of the account's balance
-- ARGV  1 which of the account's balances, then names and amounts (fen) of what was told; none when nothing was
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
