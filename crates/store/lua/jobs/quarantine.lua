#!lua flags=allow-oom
-- Takes a key out of quarantine, if its entry and its record have not changed since they were read. The record is left
-- unchanged.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 key, 3 expected quarantine entry, 4 expected record ('-' = any, '' = none), 5 line for the history
--       ('' = none), 6 the text of the approved proposal ('' = none)
-- Returns 1 if it was taken out, else 0; 3 if the proposal is gone
-- shared: names.lua
-- shared: proposals.lua
local key, entry, record, line, approved = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if redis.call('HGET', queue_key('quarantine'), key) ~= entry then return 0 end
if record ~= '-' and (redis.call('MGET', job_key(key))[1] or '') ~= record then return 0 end
if approved ~= '' then
  if redis.call('GET', proposal_key(key)) ~= approved then return 3 end
  remove_proposal(key)
end
redis.call('HDEL', queue_key('quarantine'), key)
if line ~= '' then redis.pcall('RPUSH', queue_key('history') .. ':' .. key, line) end
return 1
