-- Accepts jobs of one queue, each with its record and its place among what is due in one step, or tells what is there already.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 '1' where nothing but its key ever names a job's business key, '' elsewhere, 4 how a record begins before
--       `created_at`, then for each job: key, followed by its group with a space before it where it has one; 'STEP DUE BUSINESS_KEY', which are what a unit of work of that
--       group adds to its rank, when it is due (ms of Redis time, 0 = now), and its business key ('' = its key), or '' for '1 0 '; how its
--       record goes on after `created_at`
-- Returns the era, then in turns the number of a job that is not new, counted from 1, and what it met: {record, claim ('' = none)} of the
--         job that is there | the key of the first job with this business key
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: ranks.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = integer(now)
local era = redis.call('HGET', KEYS[2], 'era')
local beginning = ARGV[4] .. ',"created_at":' .. now_text .. (era and ',"era":' .. era or '')
local WORDS = 3
local job_base, business_base, by_key = queue_key('job') .. ':', queue_key('business') .. ':', ARGV[3] == '1'
local keys, names, businesses, by_business, count = {}, {}, {}, {}, 0
for at = 5, #ARGV, WORDS do
  count = count + 1
  local key, business = string.match(ARGV[at], '^%S+'), string.match(ARGV[at + 1], '^%S+ %S+ (.+)$')
  keys[count], names[count], businesses[count] = key, job_base .. key, business
  if business or not by_key then by_business[#by_business + 1] = business_base .. (business or key) end
end
local there = redis.call('MGET', unpack(names))
local firsts, first_at = #by_business > 0 and redis.call('MGET', unpack(by_business)) or {}, 0
-- Keys of a foreign type are nobody's to write over, and are looked for one by one only where there is one.
local foreign = redis.call('EXISTS', unpack(names)) > 0
local answers, written, ranked, later, seen = { era or '0' }, {}, {}, {}, {}
local function answer(number, what)
  local place = #answers
  answers[place + 1], answers[place + 2] = number, what
end
for number = 1, count do
  local at = 2 + number * WORDS
  local key, business, first = keys[number], businesses[number], nil
  if business or not by_key then
    first_at = first_at + 1
    local name = by_business[first_at]
    first = firsts[first_at] or seen[name]
    -- A job whose key is this business key, and whose own key is its business key.
    if not first and business and (seen[job_base .. business] or redis.call('EXISTS', job_base .. business) == 1) then first = business end
    if first == key then first = nil end
  end
  local record = there[number] or seen[names[number]]
  if record then
    answer(number, { record, redis.call('HGET', queue_key('claims'), key) or '' })
  elseif foreign and redis.call('EXISTS', names[number]) == 1 then
    answer(number, { '', '' })
  elseif first then
    answer(number, first)
  else
    record = beginning .. ARGV[at + 2]
    local place = #written
    written[place + 1], written[place + 2] = names[number], record
    seen[names[number]] = record
    if business then
      local name = by_business[first_at]
      written[place + 3], written[place + 4], seen[name] = name, key, key
    end
    local member, step, due = ARGV[at], 1, '0'
    if ARGV[at + 1] ~= '' then step, due = string.match(ARGV[at + 1], '^(%S+) (%S+) ') end
    if tonumber(due) <= now then
      place = #ranked
      ranked[place + 1], ranked[place + 2] = rank_of(string.sub(member, #key + 1), tonumber(step)), member
    else
      place = #later
      later[place + 1], later[place + 2] = due, member
    end
  end
end
-- Due first: a record that is not due would be forgotten, and a due job without a record is put aside.
if #ranked > 0 then
  redis.call('ZADD', queue_key('sends'), unpack(ranked))
  keep_ranks()
  bring_forward(now_text)
end
if #later > 0 then
  redis.call('ZADD', queue_key('due_sends'), unpack(later))
  local soonest = math.huge
  for at = 1, #later, 2 do soonest = math.min(soonest, tonumber(later[at])) end
  bring_forward(soonest)
end
if #written > 0 then
  redis.call('MSET', unpack(written))
  redis.pcall('PUBLISH', ARGV[2], queue)
end
return answers
