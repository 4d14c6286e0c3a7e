#!lua flags=allow-oom
-- Opens a proposal, or removes one that is withdrawn, rejected or void.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 key ('' = the queue), 3 events kept, 4 name of the event to publish, 5 its reason ('' = none), 6 the line of the job's
--       history, 7 the change, then
--       open: the proposal's text, the text that it replaces ('' = none), its time (ms), its end (ms), open proposals of a partition
--       at most
--       remove: the proposal's text
-- Returns for open: '' if it is open, 'full', or the text of the one that was open before; for remove: '' or 'changed'
-- shared: names.lua
-- shared: proposals.lua
local key, line, what, text = ARGV[2], ARGV[6], ARGV[7], ARGV[8]
local open = redis.call('GET', proposal_key(key)) or ''
if what == 'open' then
  local replaced, now, ends, most = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
  if open ~= '' and open ~= replaced then return open end
  local proposals = base .. 'proposals'
  redis.call('ZREMRANGEBYSCORE', proposals, 0, now)
  if open == '' and redis.call('ZCARD', proposals) >= tonumber(most) then return 'full' end
  redis.call('SET', proposal_key(key), text, 'PX', ends - now)
  redis.call('ZADD', proposals, ends, queue .. ' ' .. key)
else
  if open ~= text then return 'changed' end
  remove_proposal(key)
end
if key ~= '' then redis.pcall('RPUSH', queue_key('history') .. ':' .. key, line) end -- a foreign type must not keep a proposal from its end
local reason = ARGV[5] ~= '' and { 'reason', ARGV[5] } or {}
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'queue', queue, 'event', ARGV[4], unpack(reason))
return ''
