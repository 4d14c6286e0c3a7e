-- Claims due jobs of one queue, no more than can be called at once. A claim's entry is in `claims`: for a send it is the
-- intent, so the job is recorded as in doubt before any worker may send it. The record is left unchanged.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 worker, 3 the claim's token as JSON, 4 lease (ms), 5 free slots, 6 calls per second over all replicas (0 =
--       no limit), 7 number of this claim (rises with each claim of this worker), 8 events kept, 9 retention of the receipt
--       (ms), 10 number of this worker's last receipt, 11 highest fence of the queue that it knows (0 = none), 12 pause reason
--       after lost writes ('' = no pause), 13 'sends'|'queries': sends may be claimed, or not, 14 the only send that may be
--       claimed, a probe of the gateway ('' = any), 15 the worker's estimate of Redis's time (ms, 0 = none), 16 '1' to leave an
--       expired claim to its worker: after an outage that worker may have the response, and its commit should come first,
--       17 the worker's gateway ('' = any), 18 id of the Redis that the worker has checked ('' = sends may be claimed from
--       any), 19 '1' if it has checked since it learned that this queue has another id or none, then for each group with a
--       weight: the group after a space, the rank of a unit of its work
-- Returns {now (ms), next due (ms, -1 = nothing waits that this worker may claim), fence,
--         'ok' | 'lost_writes' | 'other_gateway' | 'other_redis',
--         era, the era that an operator took responsibility for, the time of that (ms), keys with too many lost workers, 1 if
--         due sends were left, else 0, jobs}; `jobs` is {the claimed sends as they are in `sends`: each its key, with its
--         group; the keys of the claimed queries; the records of both (false = none); the due times of the queries (ms); in
--         turns the number of a job, counted from 1, and its claim, if that is not the call's own with nothing before it}
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: entries.lua
-- shared: ranks.lua
-- shared: lost_writes.lua
local worker, token = ARGV[2], ARGV[3]
local lease, slots, rate, number = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local sends_allowed, probe = ARGV[13] == 'sends', ARGV[14]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] * 1000000 + time[2]
local fields = { 'paused', 'rate_arrival', 'turn', 'fence', 'era', 'resumed', 'resumed_at', 'gateway', 'incarnation', 'virtual_time' }
local paused, arrival_text, turn, fence, era, resumed, resumed_at, gateway, incarnation, virtual_time =
  unpack(redis.call('HMGET', KEYS[2], unpack(fields)))
fence, era, resumed, resumed_at = tonumber(fence) or 0, tonumber(era) or 0, tonumber(resumed) or 0, tonumber(resumed_at) or 0
local function nothing(next_due, sends_left, what)
  return { now, next_due, fence, what or 'ok', era, resumed, resumed_at, {}, sends_left or 0, { {}, {}, {}, {}, {} } }
end

-- The jobs were accepted for, and perhaps sent to, one gateway: a worker of another gateway takes none.
if ARGV[17] ~= '' and gateway ~= ARGV[17] then
  if gateway then return nothing(-1, 0, 'other_gateway') end
  redis.call('HSET', KEYS[2], 'gateway', ARGV[17])
end

-- A claim that its worker has given up, or that a network delivers late or twice, takes nothing.
local receipt_number = last_receipt(worker)
if receipt_number >= number then return nothing(now) end

local known = tonumber(ARGV[11])
local lost = has_lost_writes(receipt_number, fence, now, tonumber(ARGV[10]), known, tonumber(ARGV[15]))
if lost then
  fence = math.max(fence, known) + 1
  era = begin_era(era, fence, ARGV[8])
end
paused = pause_after_losses(era, resumed, ARGV[12], paused, ARGV[8])
if lost then return nothing(now, 0, 'lost_writes') end
sends_allowed = sends_allowed and not paused

-- A Redis that was emptied knows no send, and its queues are new. A worker that has not checked it could send again
-- what a journal has.
if sends_allowed and ARGV[18] ~= '' and incarnation ~= ARGV[18] then
  if ARGV[19] ~= '1' then return nothing(now, 0, 'other_redis') end
  redis.call('HSET', KEYS[2], 'incarnation', ARGV[18])
end

-- The interval at which sends in a paused queue are checked (ms): their deadlines pass all the same.
local PAUSED_LOOK = 60000
-- Updates the queue's due time. Returns the time of this worker's next claim (-1 = none), and 1 if due sends were left,
-- else 0.
local function settle_ready(not_before)
  local function first(set) return tonumber(redis.call('ZRANGE', queue_key(set), 0, 0, 'WITHSCORES')[2]) or math.huge end
  local query, send = first('due_queries'), first('due_sends')
  if redis.call('EXISTS', queue_key('sends')) == 1 then send = math.min(send, now) end
  local sends_left = send <= now and 1 or 0
  if paused then send = math.max(send, now + PAUSED_LOOK) end
  local function settled(due) return due < math.huge and math.max(due, not_before) or due end
  set_ready('ready', settled(math.min(query, send)))
  -- Other workers may claim the sends that this one may not.
  if not sends_allowed and send <= now then send = math.huge end
  local due = settled(math.min(query, send))
  return due < math.huge and due or -1, sends_left
end

-- GCRA: the arrival is the time at which the bucket is empty; a burst of 50 ms of the rate smooths batches.
local interval, burst, arrival, allowance = 0, 0, 0, slots
if rate > 0 then
  interval = 1000000 / rate
  burst = math.max(1, rate / 20) * interval
  arrival = math.max(tonumber(arrival_text) or 0, now_us)
  -- No claim leaves it later than this, so the clock was set back or the rate raised: neither may stop the queue.
  if arrival > now_us + burst + interval then arrival = now_us end
  allowance = math.max(0, math.floor((burst - (arrival - now_us)) / interval + 1e-9)) -- differences first: they are exact
end
local function next_call() return math.ceil((arrival - burst + interval) / 1000) end
if allowance == 0 then return nothing(settle_ready(next_call())) end
local room = math.min(slots, allowance)
if room == 0 then return nothing(settle_ready(0)) end

-- Jobs that have come due since get their rank.
local RANKED_AT_ONCE = 512
if sends_allowed then
  local due = redis.call('ZRANGEBYSCORE', queue_key('due_sends'), '-inf', now, 'LIMIT', 0, RANKED_AT_ONCE)
  if #due > 0 then
    local steps, ranked, groups, group_of, named = {}, {}, {}, {}, {}
    for at = 20, #ARGV, 2 do steps[ARGV[at]] = tonumber(ARGV[at + 1]) end
    for at, member in ipairs(due) do
      local group = string.match(member, '^%S+(.*)$')
      group_of[at] = group
      if not named[group] then named[group], groups[#groups + 1] = true, group end
    end
    read_ranks(groups, virtual_time)
    for at, member in ipairs(due) do
      ranked[2 * at - 1], ranked[2 * at] = rank_of(group_of[at], steps[group_of[at]] or 1), member
    end
    redis.call('ZADD', queue_key('sends'), unpack(ranked))
    redis.call('ZREM', queue_key('due_sends'), unpack(due))
    keep_ranks(groups)
  end
end

local sends = {}
if sends_allowed and probe ~= '' then
  if redis.call('ZSCORE', queue_key('sends'), probe) then sends = { probe } end
elseif sends_allowed then
  sends = redis.call('ZRANGE', queue_key('sends'), 0, room - 1)
end
local queries = redis.call('ZRANGEBYSCORE', queue_key('due_queries'), '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
-- Neither may starve the other: each has half of the room, and its rest goes to the other. A single slot alternates.
local due_sends, due_queries = #sends, #queries / 2 -- with their scores
local take_sends, take_queries = due_sends, due_queries
if take_sends + take_queries > room then
  local half = math.ceil(room / 2)
  if room == 1 then
    half = turn == 'query' and 0 or 1
    redis.call('HSET', KEYS[2], 'turn', half == 1 and 'query' or 'send')
  end
  take_sends = math.min(due_sends, math.max(half, room - due_queries))
  take_queries = room - take_sends
end

local taken = take_sends + take_queries
if taken == 0 then return nothing(settle_ready(0)) end
local keys, names = {}, {}
for at = 1, take_sends do
  local group = string.find(sends[at], ' ', 1, true)
  keys[at] = group and string.sub(sends[at], 1, group - 1) or sends[at]
end
for at = 1, take_queries do keys[take_sends + at] = queries[2 * at - 1] end
local job_base = queue_key('job') .. ':'
for at = 1, taken do names[at] = job_base .. keys[at] end
local records = redis.call('MGET', unpack(names))
local earlier = redis.call('HMGET', queue_key('claims'), unpack(keys))

local LEFT_ALONE = 100 -- ms until the next check of an expired claim that was left to its worker
fence = fence + 1
local fence_text, lease_end, now_text = integer(fence), integer(now + lease), integer(now)
local claimed, claimed_sends, claimed_queries, claimed_records, due_since, claims = 0, {}, {}, {}, {}, {}
local receipt, poisoned, left_alone = { ARGV[7] }, {}, false
-- Returns if the job is claimed.
local function take(at, entry, member)
  local key, lost_claim = keys[at], earlier[at]
  if lost_claim and ARGV[16] == '1' then
    left_alone = true
    if at <= take_sends then redis.call('ZADD', queue_key('due_queries'), now_text, key) end
    return false
  end
  if lost_claim and #lost_claim > MAX_ENTRY then
    poisoned[#poisoned + 1] = key
    return false
  end
  local claim = add_claim(key, entry, lost_claim, lease_end)
  claimed = claimed + 1
  receipt[claimed + 1], claimed_records[claimed] = member, records[at]
  if lost_claim then
    local place = #claims
    claims[place + 1], claims[place + 2] = claimed, claim
  end
  return true
end
local send = entry_of(token, 'send', now_text, fence_text)
for at = 1, take_sends do
  if take(at, send, sends[at]) then claimed_sends[claimed] = sends[at] end
end
local query = entry_of(token, 'query', now_text, fence_text)
for at = 1, take_queries do
  local place = #claimed_queries + 1
  if take(take_sends + at, query, queries[2 * at - 1]) then claimed_queries[place], due_since[place] = queries[2 * at - 1], queries[2 * at] end
end
keep_claims('due_queries', 'claims')
if claimed > 0 then
  -- If the reply is lost, the worker reads the claimed jobs here, and releases them unsent.
  redis.call('SET', queue_key('receipt') .. ':' .. worker, table.concat(receipt, '\n'), 'PX', ARGV[9])
end
if take_sends > 0 then
  virtual_time = redis.call('ZSCORE', queue_key('sends'), sends[take_sends])
  redis.call('HSET', KEYS[2], 'virtual_time', virtual_time)
  if probe ~= '' then
    redis.call('ZREM', queue_key('sends'), probe)
  else
    -- No rank that is left is lower than the virtual time, so lower last ranks decide nothing. A probe is taken out of its turn.
    redis.call('ZREMRANGEBYRANK', queue_key('sends'), 0, take_sends - 1)
    redis.call('ZREMRANGEBYSCORE', queue_key('last_ranks'), '-inf', virtual_time)
  end
end
if #poisoned > 0 then
  redis.call('ZREM', queue_key('due_queries'), unpack(poisoned))
  for _, key in ipairs(poisoned) do
    redis.call('HSETNX', queue_key('quarantine'), key, '{"at":' .. now_text .. ',"code":"workers_lost"}')
  end
end
if claimed > 0 then
  if rate > 0 then
    arrival = math.ceil(arrival + claimed * interval)
    redis.call('HSET', KEYS[2], 'fence', fence_text, 'rate_arrival', string.format('%.0f', arrival))
  else
    redis.call('HSET', KEYS[2], 'fence', fence_text)
  end
else
  fence = fence - 1
end
local not_before = 0
if left_alone then not_before = now + LEFT_ALONE end
if claimed == allowance then not_before = math.max(not_before, next_call()) end
local next_due, sends_left = settle_ready(not_before)
return {
  now, next_due, fence, 'ok', era, resumed, resumed_at, poisoned, sends_left,
  { claimed_sends, claimed_queries, claimed_records, due_since, claims },
}
