-- What one worker knows of a lane, against what Redis has. A Redis that knows less has lost writes: it was restored from an older copy,
-- or a replica that lagged was promoted. Whatever is queued then may have been sent.
-- How far ahead of the worker's idea of it Redis's clock may be before receipts say nothing: a clock that was set forward expires them.
local CLOCK_STEP = 60000
local function last_receipt(base, worker)
  local receipt = redis.call('GET', base .. 'claim:' .. worker)
  return receipt and tonumber(string.match(receipt, '^%d+')) or 0
end
-- `expected` is the worker's idea of Redis's time (ms, 0 = it has none).
local function has_lost_writes(receipt, epoch, now, known_receipt, known_epoch, expected)
  local receipts_tell = expected == 0 or now <= expected + CLOCK_STEP
  return epoch < known_epoch or (receipts_tell and receipt < known_receipt)
end
-- Where nothing may be sent twice, a person must say that sending goes on: the lane is paused for `reason`, which is '' elsewhere.
-- Returns why the lane is paused.
local function pause_after_losses(base, era, resumed, reason, paused, events_kept)
  if reason == '' or era <= resumed or paused == reason then return paused end
  redis.call('HSET', base .. 'lane', 'paused', reason)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'lane', 'paused', 'reason', reason)
  return reason
end
