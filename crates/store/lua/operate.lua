#!lua flags=allow-oom
-- Does an operator's will to one job, or what its deadline makes of it, if it still is what was seen.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 events kept, 4 key, 5 state seen, 6 new state, 7 due set ('to_send'|'to_ask'|''),
--       8 reason, 9 line of the history without its time, 10 fence and 11 last change (ms) seen
--       (both '' = whatever they are), 12 the reason of a paused lane in which this may not be done ('' = it always may)
-- Returns 'ok' | 'gone' | 'held' (a worker is calling the gateway about it) | 'changed' (it is not what was seen) | 'ahead'
--         (the lane is paused for that reason) | the state that it has by now
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: tell.lua
local base, key, seen, state, set = KEYS[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local job = base .. 'job:' .. key
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local is, callback, marked, accepted_in = unpack(redis.call('HMGET', job, 's', 'cb1', 'm', 'e'))
local created, changed, sent, fence, sends = marks_of(marked)
if not is or not created then return 'gone' end
local claim = standing(redis.call('HGET', base .. 'held', key), fence)
if claim then
  fence = claim.fence
  if claim.call == 'send' then is, changed = 'in_doubt', claim.last end
end
local era, paused = unpack(redis.call('HMGET', base .. 'lane', 'era', 'paused'))
era = tonumber(era or 0)
if ARGV[12] ~= '' and paused == ARGV[12] then return 'ahead' end
if state_in(era, is, accepted_in) ~= is then
  is = state_in(era, is, accepted_in)
  if sent == '0' then sent = now end -- a send that Redis has forgotten: waits count from the latest moment that it can have been
end
if ARGV[11] ~= '' and (is ~= seen or fence ~= ARGV[10] or changed ~= ARGV[11]) then return 'changed' end
if is ~= seen then return is end
if claim then return 'held' end
redis.call('HSET', job, 's', state, 'm', marks(created, now, sent, fence, sends), 'r', ARGV[8])
redis.call('RPUSH', base .. 'log:' .. key, '{"at":' .. now .. ',' .. string.sub(ARGV[9], 2))
for _, name in ipairs({ 'to_send', 'to_ask', 'review' }) do
  if name ~= set then redis.call('ZREM', base .. name, key) end
end
if set ~= '' then
  redis.call('HSET', job, 'o', now) -- a person's order to call: deadlines run anew from it
  redis.call('ZADD', base .. set, now, key)
  redis.pcall('PUBLISH', ARGV[1], ARGV[2])
else
  if state == 'needs_review' then redis.call('ZADD', base .. 'review', now, key) else redis.call('ZADD', base .. 'done', 'NX', now, key) end
end
if state ~= seen then
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'key', key, 'state', state)
  if callback and TOLD[state] then tell(base, key, state, now) end
end
return 'ok'
