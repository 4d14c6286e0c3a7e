#!lua flags=allow-oom
-- Gives back claimed jobs for which certainly no call was made: each is what it was before the claim, and due now. What a late response
-- said of a job while its claim stood is kept: it is looked at with that, or goes before a person, and is not sent.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 log lines after which a claim that came to nothing leaves none, 4 the reason of a job to which
--       other content was sent, 5 events kept, then for each job: key, fence, token
-- Returns for each job 'ok' | 'again' | 'stale'
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: tell.lua
-- shared: intent.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local answers, keys, ended = {}, {}, {}
for at = 6, #ARGV, 3 do keys[#keys + 1] = ARGV[at] end
local claims = #keys > 0 and redis.call('HMGET', base .. 'held', unpack(keys)) or {}
for at = 6, #ARGV, 3 do
  local key, fence, token = unpack(ARGV, at, at + 2)
  local job, log = base .. 'job:' .. key, base .. 'log:' .. key
  local marked, ended_by, callback = unpack(redis.call('HMGET', job, 'm', 'k', 'cb1'))
  local created, changed, sent, its_fence, sends = marks_of(marked)
  local claim = created and standing(claims[(at - 3) / 3], its_fence)
  if claim and claim.token == token then
    answers[#answers + 1] = 'ok'
    ended[#ended + 1] = key
    if claim.call == 'send' then
      local state = claim.late == '1' and 'in_doubt' or claim.was
      redis.call('HSET', job, 's', state, 'm', marks(created, now, sent, fence, sends), 'k', token)
      if (tonumber(redis.pcall('LLEN', log)) or 0) < tonumber(ARGV[3]) then
        redis.pcall('RPUSH', log, intent_line(claim.last, fence, claim.worker),
          '{"event":"claim_released","at":' .. now .. ',"fence":' .. fence .. ',"worker":' .. cjson.encode(claim.worker) .. '}')
      end
      if claim.late == '1' then
        redis.call('ZADD', base .. 'to_ask', now, key)
        if claim.was ~= 'in_doubt' then redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[5], '*', 'key', key, 'state', 'in_doubt') end
      else
        redis.call('ZADD', base .. 'to_send', now, key)
        redis.call('ZREM', base .. 'to_ask', key)
      end
    else
      redis.call('HSET', job, 'm', marks(created, changed, sent, fence, sends), 'k', token)
      redis.call('ZADD', base .. 'to_ask', now, key)
    end
    if claim.late == '2' then
      redis.call('HSET', job, 's', 'needs_review', 'r', ARGV[4])
      redis.call('ZADD', base .. 'review', now, key)
      redis.call('ZREM', base .. 'to_send', key)
      redis.call('ZREM', base .. 'to_ask', key)
      redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[5], '*', 'key', key, 'state', 'needs_review')
      if callback then tell(base, key, 'needs_review', now) end
    end
  else
    answers[#answers + 1] = ended_by == token and 'again' or 'stale'
  end
end
if #ended > 0 then
  redis.call('HDEL', base .. 'held', unpack(ended))
  redis.pcall('PUBLISH', ARGV[1], ARGV[2])
end
return answers
