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
-- Whether a record's hash is the one that these hexadecimal digits begin with.
local function is_hash(hash, digits)
  for at = 1, #digits / 2 do
    if string.format('%02x', string.byte(hash, at) or 0) ~= string.sub(digits, 2 * at - 1, 2 * at) then return false end
  end
  return true
end
-- `late` has now, state, the claim that stands and its text, what the response said, its numbers and those that are known,
-- the record's marks as they are then, has_callback, events_kept, other_content: the reason of a job to which other content was sent.
-- A send of other content may have been executed under this key: Redis had forgotten it when it accepted this one. Here the job is
-- not the one that the response is about: nothing more is sent by its key without a person.
local function use_late_of_other_content(base, key, late)
  if not LATE_REOPENS[late.state] then return end
  if late.claim then -- its commit finds the flag
    redis.call('HSET', base .. 'held', key, (string.gsub(late.text, '^(.* [01][01])[012] ', '%12 ', 1)))
    return
  end
  redis.call('HSET', base .. 'job:' .. key, 's', 'needs_review', 'm', marks(unpack(late.marks)), 'r', late.other_content)
  redis.call('ZREM', base .. 'to_send', key)
  redis.call('ZREM', base .. 'to_ask', key)
  redis.call('ZADD', base .. 'review', late.now, key)
  if late.state ~= 'needs_review' then
    redis.call('XADD', base .. 'events', 'MAXLEN', '~', late.events_kept, '*', 'key', key, 'state', 'needs_review')
    if late.has_callback then tell(base, key, 'needs_review', late.now) end
  end
end
local function use_late(base, key, late)
  local job, is_word = base .. 'job:' .. key, late.said ~= 'maybe'
  local numbers = with_numbers(late.known, late.numbers)
  -- Accepted by a number that is known: a person has no less before him than this.
  if late.state == 'needs_review' and late.said == 'accepted' and numbers == (late.known or '') then return end
  if late.numbers ~= '' then redis.call('HSET', job, 'no', numbers) end
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
