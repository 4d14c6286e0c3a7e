#!lua flags=allow-oom
-- Takes what is due to be told, one event of each job: it is its taker's alone until the lease ends.
-- KEYS  1 the lane's base
-- ARGV  1 lease (ms), 2 at most so many, 3 what the records' names begin with
-- Returns {now (ms), next due (ms, -1 = nothing waits), events}; an event is
--         {key, fence, event (JSON), URL, attempts that failed, first tried (ms), traceparent ('' = none)}
local base, lease, most, prefix = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function url_of(record)
  local pieces = {}
  while record['cb' .. #pieces + 1] do pieces[#pieces + 1] = record['cb' .. #pieces + 1] end
  return table.concat(pieces)
end
local events = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', base .. 'to_tell', '-inf', now, 'LIMIT', 0, most)) do
  local flat, record = redis.pcall('HGETALL', base .. prefix .. key), {}
  for at = 1, #flat, 2 do record[flat[at]] = flat[at + 1] end
  local event = redis.pcall('LINDEX', base .. 'tell:' .. key, 0)
  local url, fence = url_of(record), (tonumber(record.cf) or 0) + 1
  if type(event) ~= 'string' or url == '' then
    redis.call('ZREM', base .. 'to_tell', key)
    redis.call('SADD', base .. 'orphans', key)
  else
    local first = tonumber(record.ct) or now
    redis.call('HSET', base .. prefix .. key, 'cf', fence, 'ch', '1', 'ct', first)
    redis.call('ZADD', base .. 'to_tell', now + lease, key)
    events[#events + 1] = { key, fence, event, url, tonumber(record.ca) or 0, first, record.tp or '' }
  end
end
local head = redis.call('ZRANGE', base .. 'to_tell', 0, 0, 'WITHSCORES')[2]
return { now, tonumber(head) or -1, events }
