#!lua flags=allow-oom
-- Releases claimed jobs for which certainly no call was made: each is as it was before the claim. A claim that was lost
-- before it is in force again, because its send may have been executed.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, then for each job: key, group ('' = none) with a space before it, the beginning of the claim's text, due (ms,
--       0 = now), line for the history ('' = none)
-- Returns for each job 'ok' | 'gone' (another claim is in force, or none) | 'late' (a response to an earlier claim arrived meanwhile:
--         the claim must be ended with its outcome)
-- A released claim leaves no trace in its record: `released` records for a while that it was not lost, for a concurrent renewal.
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local KEPT_FOR, MOST_KEPT = 600000, 10000 -- ms, longer than any renewal is under way; and claims
local answers, keys = {}, {}
local ended, restored, sends, queries, leaving, released, soonest = {}, {}, {}, {}, {}, {}, math.huge
for at = 3, #ARGV, 5 do keys[#keys + 1] = ARGV[at] end
local claims = redis.call('HMGET', queue_key('claims'), unpack(keys))
for number, key in ipairs(keys) do
  local at = 3 + 5 * (number - 1)
  local group, beginning, due, line = unpack(ARGV, at + 1, at + 4)
  local claim = claims[number] or ''
  if string.sub(claim, 1, #beginning) ~= beginning then
    answers[number] = 'gone'
  elseif string.find(claim, ',"late":', #beginning, true) then
    answers[number] = 'late'
  else
    answers[number] = 'ok'
    due = integer(math.max(now, tonumber(due)))
    soonest = math.min(soonest, tonumber(due))
    local _, after = string.find(claim, ',"after":', #beginning, true)
    local place = #released
    released[place + 1], released[place + 2] = key .. ' ' .. beginning, now
    place = #restored
    if after then
      restored[place + 1], restored[place + 2] = key, string.sub(claim, after + 1, -2)
    else
      ended[#ended + 1] = key
    end
    if not after and string.find(claim, '"call":"send"', #beginning + 1, true) == #beginning + 1 then
      place = #sends
      sends[place + 1], sends[place + 2] = due, key .. group
      leaving[#leaving + 1] = key
    else
      place = #queries
      queries[place + 1], queries[place + 2] = due, key
    end
    if line ~= '' then redis.pcall('RPUSH', queue_key('history') .. ':' .. key, line) end
  end
end
if #released > 0 then
  local name = queue_key('released')
  if redis.call('HLEN', name) > MOST_KEPT then redis.call('UNLINK', name) end
  redis.call('HSET', name, unpack(released))
  redis.call('PEXPIRE', name, KEPT_FOR)
end
if #sends > 0 then redis.call('ZADD', queue_key('due_sends'), unpack(sends)) end
if #queries > 0 then redis.call('ZADD', queue_key('due_queries'), unpack(queries)) end
if #restored > 0 then redis.call('HSET', queue_key('claims'), unpack(restored)) end
if #ended > 0 then redis.call('HDEL', queue_key('claims'), unpack(ended)) end
if #leaving > 0 then redis.call('ZREM', queue_key('due_queries'), unpack(leaving)) end
if soonest < math.huge then
  bring_forward(integer(soonest))
  if soonest <= now then redis.pcall('PUBLISH', ARGV[2], queue) end
end
return answers
