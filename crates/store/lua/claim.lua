-- Claims due jobs of one lane, no more than can be called at once. For a send, lease and intent are one write:
-- the job is in doubt, on record, before anybody knows that it may be sent.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 lease (ms), 3 free slots, 4 calls per second over all replicas (0 = no limit), 5 number of this claim
-- Returns {now (ms), next due (ms, -1 = nothing waits), jobs, keys without a record}; a job is
--         {key, 'send'|'ask', fence, state before, content, sends, resends, asks, losses, first sent, last sent, trade numbers}
local base, worker = KEYS[1], ARGV[1]
local lease, slots, rate = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] * 1000000 + time[2]
local lane = redis.call('HMGET', base .. 'lane', 'paused', 'tat')

-- GCRA: `tat` is when the bucket will be empty; a burst of 50 ms of the rate smooths what batches bunch together.
local interval, allowance, arrival = 0, slots, 0
if rate > 0 then
  interval = 1000000 / rate
  local burst = math.max(1, rate / 20) * interval
  arrival = math.max(tonumber(lane[2]) or 0, now_us)
  allowance = math.max(0, math.floor((now_us + burst - arrival) / interval + 1e-9))
  if allowance == 0 then return { now, now + math.ceil((arrival - burst + interval - now_us) / 1000), {}, {} } end
end
local room = math.min(slots, allowance)

local sends = lane[1] and {} or redis.call('ZRANGEBYSCORE', base .. 'to_send', '-inf', now, 'LIMIT', 0, room)
local asks = redis.call('ZRANGEBYSCORE', base .. 'to_ask', '-inf', now, 'LIMIT', 0, room)
-- Neither may starve the other: each has half of the room, and what it leaves goes to the other.
local take_sends, take_asks = #sends, #asks
if take_sends + take_asks > room then
  local half = room / 2
  if room == 1 then half = now % 2 end
  take_sends = math.min(#sends, math.max(math.ceil(half), room - #asks))
  take_asks = room - take_sends
end

local sendable = { queued = true, in_doubt = true, pending = true }
local jobs, orphans, leased, receipt = {}, {}, {}, { ARGV[5] }
local function claim(key, call)
  local job = base .. 'job:' .. key
  local record = redis.call('HMGET', job, 's', 'f', 'n', 'rs', 'a', 'l', 't1', 'ts', 'no', 'w')
  local before, fence = record[1], (tonumber(record[2]) or 0) + 1
  local sent, resent, losses = tonumber(record[3]) or 0, tonumber(record[4]) or 0, tonumber(record[6]) or 0
  local first, last = tonumber(record[7]) or 0, tonumber(record[8]) or 0
  local body = before and redis.call('GET', base .. 'body:' .. key)
  if not body or (call == 'send' and not sendable[before]) then
    orphans[#orphans + 1] = key
    return
  end
  if call == 'send' then
    sent = sent + 1
    if before ~= 'queued' then resent = resent + 1 end
    if first == 0 then first = now end
    last = now
    redis.call('HSET', job, 's', 'in_doubt', 'b', before, 'w', worker, 'f', fence, 'n', sent, 'rs', resent, 't1', first, 'ts', last, 'u', now)
    redis.call('RPUSH', base .. 'log:' .. key, string.format('{"e":"intent","t":%d,"f":%d,"w":"%s"}', now, fence, worker))
  else
    if record[10] then losses = losses + 1 end
    redis.call('HSET', job, 'w', worker, 'f', fence, 'l', losses)
  end
  leased[#leased + 1] = now + lease
  leased[#leased + 1] = key
  receipt[#receipt + 1] = key .. ' ' .. string.format('%d', fence)
  jobs[#jobs + 1] = { key, call, fence, before, body, sent, resent, tonumber(record[5]) or 0, losses, first, last, record[9] or '' }
end
for i = 1, take_sends do claim(sends[i], 'send') end
for i = 1, take_asks do claim(asks[i], 'ask') end

if #leased > 0 then
  redis.call('ZADD', base .. 'to_ask', unpack(leased))
  -- Should the reply be lost, the worker reads here what it was given, and gives it back unsent.
  redis.call('SET', base .. 'claim:' .. worker, table.concat(receipt, '\n'), 'PX', lease)
end
if take_sends > 0 then redis.call('ZREM', base .. 'to_send', unpack(sends, 1, take_sends)) end
if #orphans > 0 then
  redis.call('ZREM', base .. 'to_ask', unpack(orphans))
  redis.call('SADD', base .. 'orphans', unpack(orphans))
end
if rate > 0 and #jobs > 0 then
  redis.call('HSET', base .. 'lane', 'tat', string.format('%.0f', arrival + #jobs * interval))
end

local next_due = -1
for _, set in ipairs({ 'to_send', 'to_ask' }) do
  if not (set == 'to_send' and lane[1]) then
    local head = redis.call('ZRANGE', base .. set, 0, 0, 'WITHSCORES')[2]
    if head and (next_due < 0 or tonumber(head) < next_due) then next_due = tonumber(head) end
  end
end
return { now, next_due, jobs, orphans }
