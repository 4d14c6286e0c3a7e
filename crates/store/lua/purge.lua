#!lua flags=allow-oom
-- Reduces jobs that ended long ago to a tombstone, by which a late duplicate is recognised: the first letter of the final
-- state and the first half of the content's hash.
-- KEYS  1 the lane's base
-- ARGV  1 retention (ms), 2 jobs at most
-- Returns how many it reduced
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ENDED = { succeeded = true, failed = true, refunded = true, cancelled = true }
local reduced = 0
local keys = redis.call('ZRANGEBYSCORE', base .. 'done', '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
local held = #keys > 0 and redis.call('HMGET', base .. 'held', unpack(keys)) or {}
for at, key in ipairs(keys) do
  local job = base .. 'job:' .. key
  local state, hash, told = unpack(redis.call('HMGET', job, 's', 'h', 'cn'))
  local untold = told and redis.call('ZSCORE', base .. 'to_tell', key)
  if held[at] or untold or redis.call('ZSCORE', base .. 'to_ask', key) then
    redis.call('ZADD', base .. 'done', now, key) -- asked about again or untold: its time begins anew, and it blocks nothing behind it
  elseif ENDED[state] then
    redis.call('DEL', job, base .. 'body:' .. key, base .. 'log:' .. key)
    redis.call('HSET', job, 'z', string.sub(state, 1, 1) .. string.sub(hash or '', 1, 16))
    redis.call('ZREM', base .. 'done', key)
    reduced = reduced + 1
  else
    redis.call('ZREM', base .. 'done', key) -- never throw away what has not ended
    redis.call('SADD', base .. 'orphans', key)
  end
end
return reduced
