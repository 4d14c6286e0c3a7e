-- lost_writes
-- Compares one worker's knowledge of a queue with Redis. A Redis that knows less has lost writes: it was restored from
-- an older copy, or a replica that lagged was promoted. A job that is queued then may have been sent.
local function last_receipt(worker)
  local receipt = redis.call('GET', queue_key('receipt') .. ':' .. worker)
  return receipt and tonumber(string.match(receipt, '^%d+')) or 0
end
-- The clock difference at which receipts prove nothing: a clock that was set forward expires them.
local CLOCK_STEP = 60000
-- `expected` is the worker's estimate of Redis's time (ms, 0 = none).
local function has_lost_writes(receipt, fence, now, known_receipt, known_fence, expected)
  local receipts_count = expected == 0 or now <= expected + CLOCK_STEP
  return fence < known_fence or (receipts_count and receipt < known_receipt)
end
-- Begins the next era. `fence` is above all fences that any worker has seen.
local function begin_era(era, fence, events_kept)
  redis.call('HSET', KEYS[2], 'fence', fence, 'era', era + 1)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'queue', queue, 'event', 'lost_writes')
  return era + 1
end
-- Under `hold`, an operator must resume sending. `reason` is the queue's pause reason then ('' = no pause).
-- Returns the pause reason.
local function pause_after_losses(era, resumed, reason, paused, events_kept)
  if reason == '' or era <= resumed or paused == reason then return paused end
  redis.call('HSET', KEYS[2], 'paused', reason)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'queue', queue, 'event', 'paused', 'reason', reason)
  return reason
end
