-- What a response says that comes when its claim is gone: to whom it is of use depends on what the job is by now.
-- States in which a job has not ended, and a late response makes it worth another look.
local LATE_REOPENS = { queued = true, in_doubt = true, pending = true, needs_review = true }
-- The numbers that are known, with those of the late response behind them.
local function with_numbers(known, numbers)
  known = known or ''
  for number in string.gmatch(numbers, '%S+') do
    if not string.find(' ' .. known .. ' ', ' ' .. number .. ' ', 1, true) then known = known == '' and number or known .. ' ' .. number end
  end
  return known
end
-- `late` has now, state, the claim that stands and its text, what the response said, its numbers and those that are known,
-- the record's marks as they are then, events_kept.
local function use_late(base, key, late)
  local job, is_word = base .. 'job:' .. key, late.said ~= 'maybe'
  if late.numbers ~= '' then redis.call('HSET', job, 'no', with_numbers(late.known, late.numbers)) end
  if not LATE_REOPENS[late.state] then return end
  if is_word then redis.call('HSET', job, 'lr', late.said) end
  if late.claim then -- its commit finds the flag
    if is_word then redis.call('HSET', base .. 'held', key, (string.gsub(late.text, '^(.* [01][01])0 ', '%11 ', 1))) end
    return
  end
  -- Only what can be decided anew: a doubt that taught nothing more changes what was believed unsent, and nothing else.
  if not is_word and late.state ~= 'queued' then return end
  redis.call('HSET', job, 'm', marks(unpack(late.marks)))
  if late.state ~= 'pending' and late.state ~= 'in_doubt' then
    redis.call('HSET', job, 's', 'in_doubt')
    redis.call('HDEL', job, 'r')
    redis.call('XADD', base .. 'events', 'MAXLEN', '~', late.events_kept, '*', 'key', key, 'state', 'in_doubt')
  end
  redis.call('ZREM', base .. 'to_send', key)
  redis.call('ZREM', base .. 'review', key)
  redis.call('ZADD', base .. 'to_ask', late.now, key)
end
