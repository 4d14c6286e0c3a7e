-- Stores a notification of an account with its event, if the data of the gateway's record have not changed since the
-- decision.
-- KEYS  1 the partition's base, which never exists, 2 the hash of the account's notifications
-- ARGV  1 the queue name of the account's notifications, 2 delivery channel, 3 events kept, 4 number, 5 notification,
--       6 the key of the gateway's record, below its base, 7 its expected data ('' = none), 8 its new data, 9 their
--       retention (ms), 10 the set that lists it: 'notifications' | 'held_notifications', 11 webhook event ('' = none),
--       then the names and values of the published event
-- Returns 1, or 0 if the data of the gateway's record have changed: nothing was written
-- shared: integer.lua
-- shared: names.lua
-- shared: deliveries.lua
local number, known = ARGV[4], base .. ARGV[6]
if (redis.call('GET', known) or '') ~= ARGV[7] then return 0 end
local time = redis.call('TIME')
local now = integer(time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', queue_key('notification') .. ':' .. number, ARGV[5])
redis.call('SET', known, ARGV[8], 'PX', ARGV[9])
redis.call('ZADD', queue_key(ARGV[10]), number, number)
if ARGV[11] ~= '' then
  enqueue_delivery(number, ARGV[11], now)
  make_deliveries_due(now, ARGV[2])
end
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'queue', queue, 'event', 'notification', 'number', number, unpack(ARGV, 12))
return 1
