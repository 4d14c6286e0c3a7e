#!lua flags=allow-oom
-- Reduces jobs that ended long ago to a tombstone, by which a late duplicate is recognised: the first letter of the final
-- state and the first half of the content's hash.
-- KEYS  1 the lane's base
-- ARGV  1 retention (ms), 2 jobs at most
-- Returns how many it reduced
local base = KEYS[1]
-- What a job's responses are known by goes with the lines that name it: its numbers, and its requests' ids.
local MAX_LINES = 2048 -- two for each send that a job makes at most, and some
local function forget_ids(key, job)
  local numbers, x1, x2, x3, x4, x5, x6, x7, x8 = unpack(redis.call('HMGET', job, 'no', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8'))
  local ids = {}
  for number in string.gmatch(numbers or '', '%S+') do ids[#ids + 1] = 'n' .. number end
  local lines = redis.pcall('LRANGE', base .. 'log:' .. key, 0, MAX_LINES - 1)
  lines[#lines + 1] = (x1 or '') .. (x2 or '') .. (x3 or '') .. (x4 or '') .. (x5 or '') .. (x6 or '') .. (x7 or '') .. (x8 or '')
  for _, line in ipairs(lines) do
    local id = string.match(line, '"request_id":"([^"]+)"')
    if id and #ids < MAX_LINES then ids[#ids + 1] = 'r' .. id end
  end
  if #ids == 0 then return end
  local owners, own = redis.pcall('HMGET', base .. 'ids', unpack(ids)), {}
  for at, owner in ipairs(owners) do
    if owner == key then own[#own + 1] = ids[at] end
  end
  if #own > 0 then redis.call('HDEL', base .. 'ids', unpack(own)) end
end
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
    forget_ids(key, job)
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
