#!lua flags=allow-oom
-- Writes into a job's log that a notification named it, once for each notification. Its state is no notification's to change.
-- KEYS  1 the lane's base
-- ARGV  1 what the notification is about: the job's key, or the thing that it is about, 2 the notification's number,
--       3 method
-- Returns the job's key; false when there is no such job
local base, about, number = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key = redis.call('GET', base .. 'about:' .. about) or about
local state, last = unpack(redis.call('HMGET', base .. 'job:' .. key, 's', 'nt'))
if not state then return false end
-- The last few, each with a space before and behind it: a delivery that is repeated because its link could not be recorded.
local REMEMBERED = 8
last = last or ' '
if not string.find(last, ' ' .. number .. ' ', 1, true) then
  last = last .. number .. ' '
  local _, count = string.gsub(last, '%d+', '')
  if count > REMEMBERED then last = string.match(last, '^ %d+( .*)$') end
  redis.call('HSET', base .. 'job:' .. key, 'nt', last)
  redis.pcall('RPUSH', base .. 'log:' .. key,
    string.format('{"event":"notification","at":%d,"number":%d,"method":%s}', now, tonumber(number), cjson.encode(ARGV[3])))
end
return key
