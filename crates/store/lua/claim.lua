-- Claims due jobs of one lane, no more than can be called at once. A claim stands in `held` (see shared/claims.lua): for a send
-- that is its intent, so the job is in doubt, on record, before anybody knows that it may be sent.
-- KEYS  1 the lane's base
-- ARGV  1 worker, 2 lease (ms), 3 free slots, 4 calls per second over all replicas (0 = no limit), 5 number of this claim
--       (rises with each claim of this worker), 6 events kept, 7 how long the receipt is kept (ms), 8 the number of this
--       worker's last receipt and 9 the highest epoch of the lane, as far as it remembers them (0 = not),
--       10 the reason for which lost writes pause the lane ('' = they do not), 11 'sends'|'probe'|'asks': whether sends may be claimed, one of them as a probe of the gateway (then
--       there is one slot), or asks only, 12 the worker's idea of Redis's time (ms, 0 = none), 13 '1' while a claim whose lease has
--       ended is left to its worker: after an outage that worker may hold the response, and its commit comes first, 14 the worker's
--       gateway ('' = any)
-- Returns {now (ms), next due (ms, -1 = nothing waits), jobs, keys without a record, epoch, 1 if Redis has lost writes, 2 if the lane is
--         another gateway's, else 0, era}; each job is four of `jobs`: its key, its facts, its content and the hash of the content that
--         was accepted ('' = none). The facts are four lines: the claim's words up to created, losses, sent before this, ordered by an
--         operator, due (ms, 0 = never), what a late response said ('-' = there was none), with spaces between; the traceparent; the
--         trade numbers; the reason
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: losses.lua
-- shared: intent.lua
local base, worker = KEYS[1], ARGV[1]
local lease, slots, rate, number = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] * 1000000 + time[2]
local paused, tat, turn, epoch, era, resumed, resumed_at, gateway = unpack(redis.call('HMGET', base .. 'lane', 'paused', 'tat', 'turn', 'e', 'era', 'resumed', 'resumed_at', 'gateway'))
epoch, era, resumed, resumed_at = tonumber(epoch) or 0, tonumber(era) or 0, tonumber(resumed) or 0, tonumber(resumed_at) or 0

-- The jobs were accepted for, and perhaps sent to, one gateway: a worker that would call another one takes none, and learns nothing.
if ARGV[14] ~= '' and gateway ~= ARGV[14] then
  if gateway then return { now, -1, {}, {}, epoch, 2, era } end
  redis.call('HSET', base .. 'lane', 'gateway', ARGV[14])
end

-- A claim that its worker has given up, or that a network delivers late or twice, takes nothing.
local receipt_number = last_receipt(base, worker)
if receipt_number >= number then return { now, now, {}, {}, epoch, 0, era } end

local known = tonumber(ARGV[9])
local lost = has_lost_writes(receipt_number, epoch, now, tonumber(ARGV[8]), known, tonumber(ARGV[12]))
if lost then
  epoch = math.max(epoch, known) + 1
  era = begin_era(base, era, epoch, ARGV[6])
end
paused = pause_after_losses(base, era, resumed, ARGV[10], paused, ARGV[6])
if lost then return { now, now, {}, {}, epoch, 1, era } end
local asks_only = paused or ARGV[11] == 'asks'

-- GCRA: `tat` is when the bucket will be empty; a burst of 50 ms of the rate smooths what batches bunch together.
local interval, burst, arrival, allowance = 0, 0, 0, slots
if rate > 0 then
  interval = 1000000 / rate
  burst = math.max(1, rate / 20) * interval
  arrival = math.max(tonumber(tat) or 0, now_us)
  -- No claim leaves it later than this, so the clock was set back or the rate raised: neither may stop the lane.
  if arrival > now_us + burst + interval then arrival = now_us end
  allowance = math.max(0, math.floor((burst - (arrival - now_us)) / interval + 1e-9)) -- differences first: they are exact
end
local function next_call() return math.ceil((arrival - burst + interval) / 1000) end
if allowance == 0 then return { now, next_call(), {}, {}, epoch, 0, era } end
local room = math.min(slots, allowance)

local sends = asks_only and {} or redis.call('ZRANGEBYSCORE', base .. 'to_send', '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
local asks = redis.call('ZRANGEBYSCORE', base .. 'to_ask', '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
-- A probe is made by a job that was never sent, if one is found: what is in doubt may be so by its own answers, which say nothing
-- of the gateway, and what waits longest is mostly that. So a few at both ends of what is due are looked at, and not always the same
-- one is taken: of those that were never sent, too, many may be one merchant's.
local PROBE_LOOK = 64
if ARGV[11] == 'probe' and #sends > 0 then
  local longest = redis.call('ZRANGEBYSCORE', base .. 'to_send', '-inf', now, 'WITHSCORES', 'LIMIT', 0, PROBE_LOOK)
  local latest = redis.call('ZREVRANGEBYSCORE', base .. 'to_send', now, '-inf', 'WITHSCORES', 'LIMIT', 0, PROBE_LOOK)
  local unsent = {}
  for _, due in ipairs({ longest, latest }) do
    for i = 1, #due, 2 do
      if redis.pcall('HGET', base .. 'job:' .. due[i], 's') == 'queued' then unsent[#unsent + 1] = { due[i], due[i + 1] } end
    end
  end
  if #unsent > 0 then sends = unsent[now_us % #unsent + 1] end
end
-- Neither may starve the other: each has half of the room, and what it leaves goes to the other. One slot goes by turns.
local due_sends, due_asks = #sends / 2, #asks / 2 -- each with its score
local take_sends, take_asks = due_sends, due_asks
if take_sends + take_asks > room then
  local half = math.ceil(room / 2)
  if room == 1 then
    half = turn == 'ask' and 0 or 1
    redis.call('HSET', base .. 'lane', 'turn', half == 1 and 'ask' or 'send')
  end
  take_sends = math.min(due_sends, math.max(half, room - due_asks))
  take_asks = room - take_sends
end

local now_text, lease_end = whole(now), whole(now + lease)

local SENDABLE = { queued = true, in_doubt = true, pending = true }
local ASKABLE = { needs_review = true, succeeded = true, failed = true, refunded = true, cancelled = true }
local MAX_FENCE = 9007199254740991 -- 2^53 - 1: up to here numbers are exact
-- The content's pieces, as many as `submit` makes at most.
local PIECES = { '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16' }
local pieces = {}
local function content_of(key, record)
  if not record['1'] then return redis.pcall('GET', base .. 'body:' .. key) end
  local count = 0
  while record[PIECES[count + 1]] do
    count = count + 1
    pieces[count] = record[PIECES[count]]
  end
  return table.concat(pieces, '', 1, count)
end

-- A record's fields by name. The table is made about as large as records are: to let it grow field by field would take as long
-- as to read the record.
local function record_of(key)
  local flat = redis.pcall('HGETALL', base .. 'job:' .. key)
  local record = { s = false, m = false, h = false, no = false, a = false, tp = false, ['1'] = false, ['2'] = false, ['3'] = false, ['4'] = false, ['5'] = false }
  for at = 1, #flat, 2 do record[flat[at]] = flat[at + 1] end
  return record
end

-- What is claimed is known before anything is written; then lease and claim before all else: an error in between, from a
-- key of a foreign type, leaves jobs that come due, never one that was taken and forgotten.
local jobs, orphans, leased, leaving, claims, receipts, lapsed_claims = {}, {}, {}, {}, {}, { ARGV[5] }, {}
local LEFT_ALONE = 100 -- ms until a claim is looked at again that was left to its worker
local left_alone, token = false, worker .. '/' .. ARGV[5]
local function take(key, due, call, earlier)
  local record = record_of(key)
  local created, changed, sent, fence, sends = marks_of(record.m)
  local lapsed = created and standing(earlier, fence)
  if lapsed and ARGV[13] == '1' then
    left_alone = true
    return
  end
  if lapsed then -- nobody's now: the job is what that claim made of it
    fence, record.l = lapsed.fence, next_of(record.l or '0')
    if lapsed.call == 'send' then
      record.s, changed, sent, sends, record.rs = 'in_doubt', lapsed.last, lapsed.last, lapsed.sends, lapsed.resends
      if lapsed.first ~= sent then record.t1 = lapsed.first end
    end
    lapsed.key, lapsed.record, lapsed.marks = key, record, marks(created, changed, sent, fence, sends)
    lapsed_claims[#lapsed_claims + 1] = lapsed
  end
  local content = content_of(key, record)
  local unreadable = earlier and not string.find(earlier, CLAIM)
  if unreadable or not created or not (SENDABLE[record.s] or (call == 'ask' and ASKABLE[record.s])) or type(content) ~= 'string'
    or tonumber(fence) >= MAX_FENCE then
    orphans[#orphans + 1] = key
    return
  end
  fence = next_of(fence)
  local was, ordered, resends, first, last = record.s, record.o or '0', record.rs or '0', record.t1 or sent, sent
  -- Never sent as far as Redis knows, and it may have been sent all the same. A person who has resumed the lane since has
  -- ordered the send.
  if state_in(era, was, record.e) ~= was then
    was = 'in_doubt'
    if resumed >= era then ordered = whole(math.max(tonumber(ordered), resumed_at)) end
  end
  -- Only a claim brings what is queued among what is to be asked about. That claim is gone, and with it the fence that it had: the
  -- time is above all that are counted.
  if call == 'ask' and was == 'queued' then was, fence = 'in_doubt', whole(math.max(tonumber(fence), now)) end
  -- What may have been sent, and Redis does not know when: deadlines count from its acceptance, the first moment possible.
  if was ~= 'queued' and first == '0' then first = created end
  if call == 'send' then
    sends, last = next_of(sends), now_text
    if was ~= 'queued' then resends = next_of(resends) end
    if first == '0' then first = now_text end
  end
  local words = call .. ' ' .. was .. ' ' .. fence .. ' ' .. sends .. ' ' .. resends .. ' ' .. (record.a or '0') .. ' ' .. first .. ' ' .. last .. ' ' .. created
  local at = #leased
  leased[at + 1], leased[at + 2] = lease_end, key
  claims[at + 1], claims[at + 2] = key, words .. (record.r and ' 1' or ' 0') .. (record.cb1 and '1' or '0') .. (lapsed and lapsed.late == '2' and '2 ' or '0 ') .. token
  receipts[#receipts + 1] = key .. ' ' .. fence
  at = #jobs
  jobs[at + 1], jobs[at + 3], jobs[at + 4] = key, content, record.h or ''
  jobs[at + 2] = words .. ' ' .. (record.l or '0') .. ' ' .. sent .. ' ' .. ordered .. ' ' .. due .. ' ' .. (record.lr or '-') .. '\n'
    .. (record.tp or '') .. '\n' .. (record.no or '') .. '\n' .. (record.r or '')
end
local due_keys = {}
for i = 1, take_sends do due_keys[i], leaving[i] = sends[2 * i - 1], sends[2 * i - 1] end
for i = 1, take_asks do due_keys[take_sends + i] = asks[2 * i - 1] end
local earlier = #due_keys > 0 and redis.call('HMGET', base .. 'held', unpack(due_keys)) or {}
for i = 1, take_sends do take(sends[2 * i - 1], sends[2 * i], 'send', earlier[i]) end
for i = 1, take_asks do take(asks[2 * i - 1], asks[2 * i], 'ask', earlier[take_sends + i]) end
if #leased > 0 then
  redis.call('ZADD', base .. 'to_ask', unpack(leased))
  redis.call('HSET', base .. 'held', unpack(claims))
  -- Should the reply be lost, the worker reads here what it was given, and gives it back unsent.
  redis.call('SET', base .. 'claim:' .. worker, table.concat(receipts, '\n'), 'PX', ARGV[7])
end
if take_sends > 0 then
  redis.call('ZREM', base .. 'to_send', unpack(leaving))
  epoch = redis.call('HINCRBY', base .. 'lane', 'e', 1)
end
if #orphans > 0 then
  redis.call('ZREM', base .. 'to_ask', unpack(orphans))
  redis.call('SADD', base .. 'orphans', unpack(orphans))
end
for _, lapsed in ipairs(lapsed_claims) do
  local job, record = base .. 'job:' .. lapsed.key, lapsed.record
  redis.call('HSET', job, 's', record.s, 'm', lapsed.marks, 'l', record.l)
  if lapsed.call == 'send' then
    if lapsed.resends ~= '0' then redis.call('HSET', job, 'rs', lapsed.resends) end
    if record.t1 then redis.call('HSET', job, 't1', record.t1) end
    redis.pcall('RPUSH', base .. 'log:' .. lapsed.key, intent_line(lapsed.last, lapsed.fence, lapsed.worker),
      '{"event":"worker_lost","at":' .. now_text .. ',"fence":' .. lapsed.fence .. ',"worker":' .. cjson.encode(lapsed.worker) .. '}')
    if lapsed.was ~= 'in_doubt' then
      redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[6], '*', 'key', lapsed.key, 'state', 'in_doubt')
    end
  end
end

local claimed = #leased / 2
if rate > 0 and claimed > 0 then
  arrival = math.ceil(arrival + claimed * interval)
  redis.call('HSET', base .. 'lane', 'tat', string.format('%.0f', arrival))
end
local next_due = -1
for _, set in ipairs(asks_only and { 'to_ask' } or { 'to_send', 'to_ask' }) do
  local head = tonumber(redis.call('ZRANGE', base .. set, 0, 0, 'WITHSCORES')[2])
  if head and (next_due < 0 or head < next_due) then next_due = head end
end
if left_alone then next_due = math.max(next_due, now + LEFT_ALONE) end
if next_due >= 0 and claimed == allowance then next_due = math.max(next_due, next_call()) end
return { now, next_due, jobs, orphans, epoch, 0, era }
