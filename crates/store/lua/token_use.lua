#!lua flags=allow-oom
-- Notes that a server knows a token, or that the token is used just now.
-- KEYS  1 the base of the token
-- ARGV  1 the note is kept for this time (ms); 2 'used' or 'known'
-- Returns 'ok'
local known, kept = KEYS[1] .. 'known', ARGV[1]
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
if not redis.call('SET', known, now, 'NX', 'PX', kept) then redis.call('PEXPIRE', known, kept) end
if ARGV[2] == 'used' then redis.call('SET', KEYS[1] .. 'used', now, 'PX', kept) end
return 'ok'
