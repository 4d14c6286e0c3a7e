-- rivals
-- A rival is a job about the same thing under another key. Redis refuses one at submission, unless it has forgotten the first job.
-- Returns the key of the job that is known to be about `about` ('' = the key itself); false or nothing when none is, or this one.
local function rival_of(base, key, about)
  if about == '' then about = key end
  local rival = redis.call('GET', base .. 'about:' .. about)
  if not rival and about ~= key and redis.call('EXISTS', base .. 'job:' .. about) == 1 then rival = about end
  if rival ~= key then return rival end
end
-- A journal knows a send about the same thing by another key, as `reason` and `line` (of the history, without its time) say: a rival
-- that may still be sent waits for a person. One that is being sent, or that the gateway has accepted, goes on: it is too late to
-- keep it back. Returns whether it waits from now on.
local function set_rival_aside(base, rival, reason, line, now, events_kept)
  local job = base .. 'job:' .. rival
  local state, marked, callback, tombstone, accepted_in = unpack(redis.call('HMGET', job, 's', 'm', 'cb1', 'z', 'e'))
  local created, _, sent, fence, sends = marks_of(marked)
  if not state or not created or tombstone then return false end
  local claim = standing(redis.call('HGET', base .. 'held', rival), fence)
  if claim and claim.call == 'send' then return false end
  local is = state_in(tonumber(redis.call('HGET', base .. 'lane', 'era') or 0), state, accepted_in)
  if is ~= 'queued' and is ~= 'in_doubt' then return false end
  if claim then
    fence = next_of(claim.fence) -- above its claim's, which is no lost write when its response comes
    redis.call('HDEL', base .. 'held', rival)
  end
  redis.call('ZADD', base .. 'review', now, rival)
  redis.call('ZREM', base .. 'to_send', rival)
  redis.call('ZREM', base .. 'to_ask', rival)
  redis.call('HSET', job, 's', 'needs_review', 'm', marks(created, now, sent, fence, sends), 'r', reason)
  redis.call('RPUSH', base .. 'log:' .. rival, '{"at":' .. now .. ',' .. string.sub(line, 2))
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'key', rival, 'state', 'needs_review')
  if callback then tell(base, rival, 'needs_review', now) end
  return true
end
