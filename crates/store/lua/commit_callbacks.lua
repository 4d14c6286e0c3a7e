#!lua flags=allow-oom
-- Records what became of events that were taken to be told. Refused under any fence but the last taker's; repeatable under it.
-- KEYS  1 the lane's base
-- ARGV  1 events kept, 2 log lines after which a failed attempt is counted only, 3 what the records' names begin with, then
--       for each event: key, fence, outcome ('told' | 'failed' = to be tried again | 'given_up' | 'gone' = nothing more is
--       wanted there | 'put_off' = it was not tried), when to try again (ms), line of the history without its time ('' = none)
-- Returns for each event 'ok' | 'again' (committed before, under this fence) | 'stale'
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for at = 4, #ARGV, 5 do
  local key, fence, outcome, due, line = unpack(ARGV, at, at + 4)
  local record, list, log = base .. ARGV[3] .. key, base .. 'tell:' .. key, base .. 'log:' .. key
  local its_fence, under_way, failures = unpack(redis.call('HMGET', record, 'cf', 'ch', 'ca'))
  local function set_down(how)
    if line ~= '' then redis.pcall('RPUSH', log, string.format('{%s"at":%d,', how, now) .. string.sub(line, 2)) end
  end
  if its_fence ~= fence then
    if its_fence then set_down('"late":true,') end
    answers[#answers + 1] = 'stale'
  elseif not under_way then
    answers[#answers + 1] = 'again'
  else
    answers[#answers + 1] = 'ok'
    redis.call('HDEL', record, 'ch')
    if outcome == 'put_off' then
      if not failures then redis.call('HDEL', record, 'ct') end
      redis.call('ZADD', base .. 'to_tell', 'XX', due, key)
    elseif outcome == 'failed' then
      redis.call('HINCRBY', record, 'ca', 1)
      redis.call('ZADD', base .. 'to_tell', 'XX', due, key)
      if redis.call('LLEN', log) < tonumber(ARGV[2]) then set_down('') end
    else
      redis.call('HDEL', record, 'ca', 'ct')
      redis.call('LPOP', list)
      if outcome == 'gone' then
        redis.call('HSET', record, 'cx', '1')
        redis.call('DEL', list)
      end
      if redis.call('EXISTS', list) == 1 then
        redis.call('ZADD', base .. 'to_tell', now, key)
      else
        redis.call('ZREM', base .. 'to_tell', key)
      end
      set_down('')
      if outcome ~= 'told' then
        redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[1], '*', 'callback', outcome, 'key', key)
      end
    end
  end
end
return answers
