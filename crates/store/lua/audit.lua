#!lua flags=allow-oom
-- Appends an event to the audit trail, and removes some of the events that are older than the retention. An operator acts also
-- while the memory is full, so the event is written then, too.
-- KEYS  1 the trail
-- ARGV  1 retention (ms), 2 the event, 3 the id of the event that says what was intended; '' if this is the only entry of the event
-- Returns the id of the entry
local time = redis.call('TIME')
local oldest = string.format('%.0f', math.max(time[1] * 1000 - ARGV[1], 0))
if ARGV[3] == '' then
  return redis.call('XADD', KEYS[1], 'MINID', '~', oldest, 'LIMIT', 1000, '*', 'event', ARGV[2])
end
return redis.call('XADD', KEYS[1], 'MINID', '~', oldest, 'LIMIT', 1000, '*', 'event', ARGV[2], 'intended', ARGV[3])
