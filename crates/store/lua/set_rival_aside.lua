#!lua flags=allow-oom
-- Puts the job before a person that is about a thing of which a journal knows a send by another key, if it may still be sent.
-- KEYS  1 the lane's base
-- ARGV  1 events kept, 2 that other key, 3 what the journal's send was about ('' = its key), 4 the reason of
--       the job that is put there, 5 the line of its history without its time
-- Returns the key of the job that was put there; '' when there is none
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: tell.lua
-- shared: rivals.lua
local base, time = KEYS[1], redis.call('TIME')
local rival = rival_of(base, ARGV[2], ARGV[3])
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
return rival and set_rival_aside(base, rival, ARGV[4], ARGV[5], now, ARGV[1]) and rival or ''
