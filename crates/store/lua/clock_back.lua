#!lua flags=allow-oom
-- After Redis's clock was set back: brings due times and leases that were reckoned by the other clock to where they belong. A job
-- that was changed in what is the future now was changed by the other clock; what is due is as far from now as it was from then.
-- KEYS  1 the lane's base
-- ARGV  1 'to_send'|'to_ask', 2 entries to pass over, 3 entries at most, 4 lease (ms): no claim lasts longer
-- Returns {entries looked at, entries set back, entries to pass over next time}
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
local base, set = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries = redis.call('ZRANGEBYSCORE', base .. set, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
local moved, left = 0, 0
local function back(text) return whole(math.min(now, tonumber(text))) end
for at = 1, #entries, 2 do
  local key, due = entries[at], tonumber(entries[at + 1])
  local job = base .. 'job:' .. key
  local marked, first, ordered = unpack(redis.pcall('HMGET', job, 'm', 't1', 'o')) -- nothing where a foreign key stands
  local created, changed, sent, fence, sends = marks_of(marked)
  local claim = created and standing(redis.call('HGET', base .. 'held', key), fence)
  local is_due = due
  if claim then
    is_due = math.min(due, now + tonumber(ARGV[4])) -- its commit finds the right times for the rest
  elseif changed and tonumber(changed) > now then
    is_due = now + math.max(0, due - tonumber(changed))
    redis.call('HSET', job, 'm', marks(back(created), whole(now), back(sent), fence, sends))
    if first then redis.call('HSET', job, 't1', back(first)) end
    if ordered then redis.call('HSET', job, 'o', back(ordered)) end
  end
  if is_due < due then
    redis.call('ZADD', base .. set, is_due, key)
    moved = moved + 1
    if is_due <= now then left = left + 1 end
  end
end
return { #entries / 2, moved, ARGV[2] + #entries / 2 - left }
