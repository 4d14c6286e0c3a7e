#!lua flags=allow-oom
-- Gives back claimed jobs for which certainly no call was made: each is what it was before the claim, and due now.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, then for each job: key, fence
-- Returns for each job 'ok' | 'again' | 'stale'
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for at = 3, #ARGV, 2 do
  local key, fence = ARGV[at], ARGV[at + 1]
  local job = base .. 'job:' .. key
  local record = redis.call('HMGET', job, 'f', 'w', 'b', 'n', 'rs')
  local before, sends = record[3], (tonumber(record[4]) or 1) - 1
  if record[1] ~= fence then
    answers[#answers + 1] = 'stale'
  elseif not record[2] then
    answers[#answers + 1] = 'again'
  elseif before then
    local resends = tonumber(record[5]) or 0
    if before ~= 'queued' then resends = resends - 1 end
    redis.call('HSET', job, 's', before, 'n', sends, 'rs', resends, 'u', now)
    redis.call('HDEL', job, 'w', 'b')
    -- The first send has not happened yet; a deadline must not run from it.
    if sends == 0 then redis.call('HDEL', job, 't1', 'ts') end
    redis.call('RPUSH', base .. 'log:' .. key, string.format('{"e":"released","t":%d,"f":%s}', now, fence))
    redis.call('ZADD', base .. 'to_send', now, key)
    redis.call('ZREM', base .. 'to_ask', key)
    answers[#answers + 1] = 'ok'
  else
    redis.call('HDEL', job, 'w')
    redis.call('ZADD', base .. 'to_ask', now, key)
    answers[#answers + 1] = 'ok'
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return answers
