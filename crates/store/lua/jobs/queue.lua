#!lua flags=allow-oom
-- Changes the state of a queue.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 events kept, 4 the change, then
--       pause: the reason
--       resume: the reason, and the expected pause reason ('' = any); 'operator' if an operator takes responsibility for earlier losses;
--       where the operator saw the queue: the era, the pause reason ('' = none), and the text of the approved proposal ('' = none)
--       fence: the queue's rises to it
--       lost_writes: the known era
--       gateway: the expected one ('' = none), the new one, the reason
-- Returns 1 if that changed anything, else 0; 2 if the queue is not as the operator saw it, 3 if the proposal is gone
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: lost_writes.lua
-- shared: proposals.lua
local what, events_kept = ARGV[4], ARGV[3]
local function add_event(event, reason)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'queue', queue, 'event', event, 'reason', reason)
end
local function now()
  local time = redis.call('TIME')
  return integer(time[1] * 1000 + math.floor(time[2] / 1000))
end
if what == 'pause' then
  if redis.call('HSETNX', KEYS[2], 'paused', ARGV[5]) == 0 then return 0 end
  add_event('paused', ARGV[5])
  return 1
elseif what == 'resume' then
  local paused, era = unpack(redis.call('HMGET', KEYS[2], 'paused', 'era'))
  local era_seen, paused_seen, approved = ARGV[8], ARGV[9], ARGV[10]
  if era_seen and ((era or '0') ~= era_seen or (paused or '') ~= paused_seen) then return 2 end
  if approved and approved ~= '' then
    if redis.call('GET', proposal_key('')) ~= approved then return 3 end
    remove_proposal('')
  end
  if ARGV[7] == 'operator' then redis.call('HSET', KEYS[2], 'resumed', era or '0', 'resumed_at', now()) end
  if not paused or (ARGV[6] ~= '' and paused ~= ARGV[6]) then return 0 end
  redis.call('HDEL', KEYS[2], 'paused')
  add_event('resumed', ARGV[5])
  bring_forward(now())
  redis.pcall('PUBLISH', ARGV[2], queue)
  return 1
elseif what == 'fence' then
  if (tonumber(redis.call('HGET', KEYS[2], 'fence')) or 0) >= tonumber(ARGV[5]) then return 0 end
  redis.call('HSET', KEYS[2], 'fence', ARGV[5])
  return 1
elseif what == 'lost_writes' then
  local fence, era = unpack(redis.call('HMGET', KEYS[2], 'fence', 'era'))
  if (tonumber(era) or 0) > tonumber(ARGV[5]) then return 0 end
  begin_era(tonumber(era) or 0, (tonumber(fence) or 0) + 1, events_kept)
  return 1
elseif what == 'gateway' then
  if (redis.call('HGET', KEYS[2], 'gateway') or '') ~= ARGV[5] then return 0 end
  redis.call('HSET', KEYS[2], 'gateway', ARGV[6])
  add_event('gateway', ARGV[7])
  bring_forward(now())
  redis.pcall('PUBLISH', ARGV[2], queue)
  return 1
end
return 0
