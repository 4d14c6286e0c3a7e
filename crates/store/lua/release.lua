#!lua flags=allow-oom
-- Gives back claimed jobs for which certainly no call was made: each is what it was before the claim, and due now.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 log lines after which a claim that came to nothing leaves none, then for each job:
--       key, fence
-- Returns for each job 'ok' | 'again' | 'stale'
-- shared: whole.lua
-- shared: marks.lua
-- shared: intent.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local answers, any_given_back = {}, false
for at = 4, #ARGV, 2 do
  local key, fence = ARGV[at], ARGV[at + 1]
  local job, log = base .. 'job:' .. key, base .. 'log:' .. key
  local marked, held, resends = unpack(redis.call('HMGET', job, 'm', 'w', 'rs'))
  local created, changed, sent, its_fence, sends, before = marks_of(marked)
  if its_fence ~= fence then
    answers[#answers + 1] = 'stale'
  elseif not held or held == '' then
    answers[#answers + 1] = 'again'
  else
    any_given_back = true
    answers[#answers + 1] = 'ok'
    if before ~= '' then -- it is there while this very claim is for a send: claim takes it away from an older one
      local left = tonumber(sends) - 1
      -- If there was no other, none has happened yet: a deadline must not run from it.
      local last = left == 0 and '0' or sent
      redis.call('HSET', job, 's', before, 'm', marks(created, now, last, fence, whole(left)), 'w', '')
      if before ~= 'queued' then redis.call('HSET', job, 'rs', tonumber(resends) - 1) end
      if left == 0 then redis.call('HDEL', job, 't1') end
      if (tonumber(redis.pcall('LLEN', log)) or 0) < tonumber(ARGV[3]) then
        redis.pcall('RPUSH', log, intent_line(sent, fence, held), string.format('{"e":"released","t":%s,"f":%s}', now, fence))
      end
      redis.call('ZADD', base .. 'to_send', now, key)
      redis.call('ZREM', base .. 'to_ask', key)
    else
      redis.call('HSET', job, 'w', '')
      redis.call('ZADD', base .. 'to_ask', now, key)
    end
  end
end
if any_given_back then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return answers
