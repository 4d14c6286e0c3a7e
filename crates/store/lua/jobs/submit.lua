-- Accepts jobs of one queue, each with its record and its due time in one step, or returns the existing one.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 '1' if only its key names a job's business key, else '', 4 the beginning of a record before
--       `created_at`, 5 the `created_at` in the records below: their producer's estimate of Redis's time (ms), 6 the era after
--       it ('0' = none), 7 the words that each job has besides the first three, then for each job: the name of its record; its
--       key, followed by its group after a space if it has one; its record; 's' the rank of a unit of its group's work, else 1;
--       'd' due time (ms of Redis time, 0 = now), else now; 'b' business key ('' = its key), else its key
-- Returns the time (ms), the era, then in turns the number of a job that is not new, counted from 1, and the existing data:
--         {record, claim ('' = none)} of that job | the key of the first job with this business key
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: ranks.lua
local sub = string.sub
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = integer(now)
local era, virtual_time = unpack(redis.call('HMGET', KEYS[2], 'era', 'virtual_time'))
-- A producer's estimate of the time may be this much behind (ms) and is still the record's `created_at`: a text made
-- here costs Redis seven instructions a byte.
local MAX_BEHIND = 1000
local function beginning_of(created_at, of_era) return ARGV[4] .. ',"created_at":' .. created_at .. (of_era ~= '0' and ',"era":' .. of_era or '') end
local said, right = beginning_of(ARGV[5], ARGV[6]), nil
local behind = now - tonumber(ARGV[5])
if behind < 0 or behind > MAX_BEHIND or ARGV[6] ~= (era or '0') then right = beginning_of(now_text, era or '0') end

local FIRST, WORDS = 8, 3 -- the first job's first word, and the words that every job has
local words = WORDS
local function place_of(letter)
  if not string.find(ARGV[7], letter, 1, true) then return nil end
  words = words + 1
  return words - 1
end
local STEP, DUE, BUSINESS = place_of('s'), place_of('d'), place_of('b')
local job_base, business_base, by_key = queue_key('job') .. ':', queue_key('business') .. ':', ARGV[3] == '1'
local KEY = #job_base + 1 -- where a key begins in the name of its record
local names, count = {}, 0
for at = FIRST, #ARGV, words do
  count = count + 1
  names[count] = ARGV[at]
end
local function key_of(number) return sub(names[number], KEY) end
-- A business key that only its own job's key can name needs no look-up: the record's name is one.
local businesses, business_names, firsts = {}, {}, {}
if BUSINESS or not by_key then
  local sought = {}
  for number = 1, count do
    local business = BUSINESS and ARGV[FIRST + (number - 1) * words + BUSINESS] or ''
    businesses[number] = business ~= '' and business
    if business ~= '' or not by_key then
      business_names[number] = business_base .. (business ~= '' and business or key_of(number))
      sought[#sought + 1] = business_names[number]
    end
  end
  if #sought > 0 then
    local found, at = redis.call('MGET', unpack(sought)), 0
    for number = 1, count do
      if business_names[number] then
        at = at + 1
        firsts[number] = found[at]
      end
    end
  end
end
local existing = redis.call('EXISTS', unpack(names))
local there = existing > 0 and redis.call('MGET', unpack(names)) or {}
-- Keys of a foreign type are never overwritten, and are searched for one by one only if there is any.
local foreign = existing
for number = 1, #there do
  if there[number] then foreign = foreign - 1 end
end
local answers, written, written_count, due_now, later, seen = { now, era or '0' }, {}, 0, {}, {}, {}
local function answer(number, what)
  local place = #answers
  answers[place + 1], answers[place + 2] = number, what
end
-- Returns the key of the first job with this business key, if that is another one.
local function first_of(number)
  local name, business = business_names[number], businesses[number]
  local first = firsts[number] or seen[name]
  -- A job whose key is this business key, and whose own key is its business key.
  if not first and business and (seen[job_base .. business] or redis.call('EXISTS', job_base .. business) == 1) then first = business end
  if first ~= key_of(number) then return first end
end
for number = 1, count do
  local at, name = FIRST + (number - 1) * words, names[number]
  local record = there[number] or seen[name]
  local first = not record and business_names[number] and first_of(number)
  if record then
    answer(number, { record, redis.call('HGET', queue_key('claims'), key_of(number)) or '' })
  elseif foreign > 0 and redis.call('EXISTS', name) == 1 then
    answer(number, { '', '' })
  elseif first then
    answer(number, first)
  else
    record = ARGV[at + 2]
    if right then record = right .. sub(record, #said + 1) end
    written[written_count + 1], written[written_count + 2], written_count = name, record, written_count + 2
    seen[name] = record
    if businesses[number] then
      local business_name, key = business_names[number], key_of(number)
      written[written_count + 1], written[written_count + 2], written_count = business_name, key, written_count + 2
      seen[business_name] = key
    end
    if DUE and tonumber(ARGV[at + DUE]) > now then
      local place = #later
      later[place + 1], later[place + 2] = ARGV[at + DUE], ARGV[at + 1]
    else
      due_now[#due_now + 1] = at
    end
  end
end
-- Due times first: a record without one would be forgotten, and a due job without a record is quarantined.
if #due_now > 0 then
  local groups, group_of, ranked = {}, {}, {}
  for place = 1, #due_now do
    local at = due_now[place]
    local group = sub(ARGV[at + 1], #ARGV[at] - KEY + 2)
    group_of[place] = group
    if not ranks[group] then ranks[group], groups[#groups + 1] = 0, group end
  end
  read_ranks(groups, virtual_time)
  for place = 1, #due_now do
    local at = due_now[place]
    ranked[2 * place - 1], ranked[2 * place] = rank_of(group_of[place], STEP and tonumber(ARGV[at + STEP]) or 1), ARGV[at + 1]
  end
  redis.call('ZADD', queue_key('sends'), unpack(ranked))
  keep_ranks(groups)
  bring_forward(now_text)
end
if #later > 0 then
  redis.call('ZADD', queue_key('due_sends'), unpack(later))
  local soonest = math.huge
  for at = 1, #later, 2 do soonest = math.min(soonest, tonumber(later[at])) end
  bring_forward(soonest)
end
if written_count > 0 then
  redis.call('MSET', unpack(written))
  redis.pcall('PUBLISH', ARGV[2], queue)
end
return answers
