#!lua flags=allow-oom
-- Takes one call's token of a queue's rate, for a query without a claim. Claims use the same bucket.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 calls per second over all replicas, above 0
-- Returns 0 if it was taken, else the time until the next try (ms)
local rate = tonumber(ARGV[2])
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
-- As in claim.lua: the arrival is the time at which the bucket is empty, and a burst is 50 ms of the rate.
local interval = 1000000 / rate
local burst = math.max(1, rate / 20) * interval
local arrival = math.max(tonumber(redis.call('HGET', KEYS[2], 'rate_arrival')) or 0, now_us)
if arrival > now_us + burst + interval then arrival = now_us end
local wait = arrival - burst + interval - now_us
if wait > 1 then return math.ceil(wait / 1000) end
redis.call('HSET', KEYS[2], 'rate_arrival', string.format('%.0f', math.ceil(arrival + interval)))
return 0
