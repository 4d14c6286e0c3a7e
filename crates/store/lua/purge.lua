#!lua flags=allow-oom
-- Reduces jobs that ended long ago to a tombstone (content hash and final state), by which a late duplicate is recognised.
-- KEYS  1 the lane's base
-- ARGV  1 retention (ms), 2 jobs at most
-- Returns how many it reduced
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keys = redis.call('ZRANGEBYSCORE', base .. 'done', '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
local reduced = 0
for _, key in ipairs(keys) do
  local job = base .. 'job:' .. key
  local record = redis.call('HMGET', job, 's', 'h', 'w')
  if not record[3] then
    redis.call('DEL', job, base .. 'body:' .. key, base .. 'log:' .. key)
    if record[1] then redis.call('HSET', job, 's', record[1], 'h', record[2]) end
    redis.call('ZREM', base .. 'to_ask', key)
    redis.call('ZREM', base .. 'done', key)
    reduced = reduced + 1
  end
end
return reduced
