#!lua flags=allow-oom
-- Writes what was decided about jobs of one queue: the end of a claim, an operator's action, a restored job, a tombstone; or about its
-- webhook deliveries. Each is written only if claim and record still are what the decision was made of; nothing is decided here.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 delivery channel, 4 events kept, 5 '' or why a queue is paused in which nothing of this may be done,
--       6 whose records: 'job' | 'delivery' | 'notification', 7 the hash with their claims, 8 how many runs follow, then those: what so many
--       writes in a row have in common, 'COUNT PLACE STATE LETTERS', '-' for none. PLACE is where it goes: 'sends'|'queries'|'review'|'done'|
--       'expired'|'quarantine'|'-' = it stays; of a delivery 'again'|'next' = this event is over|'none' = no further ones are wanted|
--       'quarantine'. STATE is published. LETTERS say which further arguments a write has. Then for each write: key,
--       claim seen ('' = none), and in this order:
--       t the record to write, r the record seen ('' = none; else it may be any), c the claim to write, d when it is due (ms; of 'review' and
--       'done' since when it is there, else now) and the decider's idea of Redis's time (ms), g its group with a space before it, i what the response is known by, w the webhook event,
--       m how many words follow, then those: a letter with a text behind it, 'q' what the quarantine says, 'h' a line for the history's
--       list, 'b' the key of another job that has a business key ('' = none has, and the job has it now), a space and that business key,
--       which is a guard like the record, 'n' and 'f' what a response is known by, unless it is another's, and no longer is, 'e' an event of
--       this name to publish, 'p' why the queue is paused from now on, 'w' a webhook event before the one above, 't' what was tried of the
--       first one, 'd' deletes whatever else is kept of the job, 'x' the record too, with its business keys, each 'u'
-- Returns in turns the number of a write that was not made, counted from 1, and the reason: {'changed', claim, record} as they are ('' =
--         none) | {'owned', key of the job that the response is known by} | 'paused' | 'repeated' (this very call has the job twice:
--         nothing was done for the second)
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: deliveries.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = integer(now)
local is_delivery = ARGV[6] == 'delivery'
local job_base, claims_name = queue_key(ARGV[6]) .. ':', queue_key(ARGV[7])
local HEAD = 2 -- arguments that every write has
local keys, starts, shapes, count, ids, owners = {}, {}, {}, 0, {}, {}
do
  local at = 9 + ARGV[8]
  for run = 9, at - 1 do
    local writes, place, state, letters = string.match(ARGV[run], '^(%d+) (%S+) (%S+) (%S+)$')
    local shape = { place = place, state = state, size = HEAD }
    for letter in string.gmatch(letters, '%l') do
      shape[letter] = shape.size
      shape.size = shape.size + (letter == 'd' and 2 or 1)
    end
    for _ = 1, writes do
      count = count + 1
      keys[count], starts[count], shapes[count] = ARGV[at], at, shape
      if shape.i then ids[#ids + 1] = ARGV[at + shape.i] end
      at = at + shape.size + (shape.m and ARGV[at + shape.m] or 0)
    end
  end
end
local claims = redis.call('HMGET', claims_name, unpack(keys))
if #ids > 0 then
  local known = redis.pcall('HMGET', queue_key('responses'), unpack(ids)) -- a foreign type must not keep responses from their records
  for at = 1, #ids do owners[ids[at]] = known[at] end
end
local is_paused = ARGV[5] ~= '' and redis.call('HGET', KEYS[2], 'paused') == ARGV[5]

local answers = {}
-- What is written for all jobs at once, each list with its length: making tables and counting them is what costs.
local records, written, ended, over_count = {}, 0, {}, 0
local entries, named, forgotten, deleted, deliveries, done = {}, {}, {}, {}, {}, {}
local going = { due_sends = {}, due_queries = {}, review = {}, due_deliveries = {} }
local leaving = { sends = {}, due_sends = {}, due_queries = {}, review = {}, done = {}, due_deliveries = {} }
local soonest = math.huge
local function add(list, first, second)
  local place = #list
  list[place + 1], list[place + 2] = first, second
end
-- The keys that came to each state: an entry of its own would cost each job a command. And other events.
local KEYS_AN_ENTRY = 64
local came, published = {}, {}
local over = {} -- jobs of this very call
-- A key of a foreign type holds no record, keeps no other job's answer waiting, and is nobody's to write over.
local function record_of(key)
  local record = redis.pcall('GET', job_base .. key)
  if type(record) == 'table' then return '', true end
  return record or '', false
end
-- Tells if another job has a business key than was seen.
local function has_other_rival(key, at, count)
  for index = at, at + count - 1 do
    if string.sub(ARGV[index], 1, 1) == 'b' then
      local seen, name = string.match(ARGV[index], '^b(%S*) (.*)$')
      local rival = redis.call('GET', queue_key('business') .. ':' .. name)
      if not rival and name ~= key and redis.call('EXISTS', job_base .. name) == 1 then rival = name end
      if (rival and rival ~= key and rival or '') ~= seen then return true end
    end
  end
end
-- The rest of what is said of a job, which most have nothing of.
local function further(key, at, count)
  for index = at, at + count - 1 do
    local letter, word = string.sub(ARGV[index], 1, 1), string.sub(ARGV[index], 2)
    if letter == 'h' then redis.pcall('RPUSH', queue_key('history') .. ':' .. key, word) -- a foreign type must not keep it from the record
    elseif letter == 'b' then
      local rival, name = string.match(word, '^(%S*) (.*)$')
      if rival == '' and name ~= key then records[written + 1], records[written + 2], written = queue_key('business') .. ':' .. name, key, written + 2 end
    elseif letter == 'n' then redis.pcall('HSETNX', queue_key('responses'), word, key)
    elseif letter == 'w' then deliveries[#deliveries + 1] = { key, word }
    elseif letter == 't' then records[written + 1], records[written + 2], written = queue_key('delivery') .. ':' .. key, word, written + 2
    elseif letter == 'x' then
      for _, name in ipairs({ 'job', 'history', 'delivery', 'outbox' }) do deleted[#deleted + 1] = queue_key(name) .. ':' .. key end
      for _, name in ipairs({ 'quarantine', 'delivery_quarantine', 'delivery_claims' }) do redis.call('HDEL', queue_key(name), key) end
      leaving.due_deliveries[#leaving.due_deliveries + 1], leaving.done[#leaving.done + 1] = key, key
    elseif letter == 'u' then deleted[#deleted + 1] = queue_key('business') .. ':' .. word
    elseif letter == 'f' then forgotten[#forgotten + 1] = word
    elseif letter == 'e' then published[#published + 1] = { 'queue', queue, 'event', word, 'key', key }
    elseif letter == 'p' then
      if redis.pcall('HSETNX', KEYS[2], 'paused', word) == 1 then published[#published + 1] = { 'queue', queue, 'event', 'paused', 'reason', word } end
    elseif letter == 'q' then redis.call('HSET', queue_key(is_delivery and 'delivery_quarantine' or 'quarantine'), key, word)
    elseif letter == 'd' then
      for _, name in ipairs({ 'history', 'delivery', 'outbox' }) do deleted[#deleted + 1] = queue_key(name) .. ':' .. key end
    end
  end
end
local function move_delivery(key, place, due)
  local outbox = queue_key('outbox') .. ':' .. key
  if place == 'next' then
    redis.pcall('LPOP', outbox)
    deleted[#deleted + 1] = job_base .. key
    if redis.call('EXISTS', outbox) == 1 then place, due = 'again', now_text end
  elseif place == 'none' then deleted[#deleted + 1] = outbox
  end
  if place ~= 'again' then
    leaving.due_deliveries[#leaving.due_deliveries + 1] = key
    return
  end
  add(going.due_deliveries, due, key)
  soonest = math.min(soonest, tonumber(due))
end
local function move(key, group, claim, place, due, decided, state)
  -- Redis's clock was set back since: what was decided by the other one comes due by this one.
  if (place == 'sends' or place == 'queries' or place == 'again') and tonumber(decided) > now then
    due = integer(math.max(0, due - (decided - now)))
  end
  if is_delivery then return move_delivery(key, place, due) end
  if place == 'done' then add(done, due ~= '' and due or now_text, key)
  elseif place == 'queries' then add(going.due_queries, due, key)
  elseif place == 'sends' then add(going.due_sends, due, key .. group)
  elseif place == 'review' then add(going.review, due ~= '' and due or now_text, key)
  elseif place == 'expired' then leaving.done[#leaving.done + 1] = key
  end
  if place == 'sends' or place == 'queries' then soonest = math.min(soonest, tonumber(due)) end
  if place ~= 'queries' then leaving.due_queries[#leaving.due_queries + 1] = key end
  if claim == '' then -- it may be in any other set
    leaving.sends[#leaving.sends + 1] = key .. group
    if place ~= 'sends' then leaving.due_sends[#leaving.due_sends + 1] = key .. group end
    if place ~= 'review' then leaving.review[#leaving.review + 1] = key end
    -- What has ended and is only queried once more stays among what has; what is another state's again does not.
    if place == 'review' or place == 'sends' or (place == 'queries' and state ~= '-') then leaving.done[#leaving.done + 1] = key end
  end
end
local function decide(number, at)
  local shape, key, claim = shapes[number], keys[number], ARGV[at + 1]
  if over[key] then return 'repeated' end
  local claim_now = claims[number] or ''
  if claim ~= claim_now or shape.r then
    local record_now, is_foreign = record_of(key)
    if is_foreign or claim ~= claim_now or ARGV[at + shape.r] ~= record_now then return { 'changed', claim_now, record_now } end
  end
  local more = shape.m and tonumber(ARGV[at + shape.m]) or 0
  if more > 0 and has_other_rival(key, at + shape.size, more) then return { 'changed', claim_now, (record_of(key)) } end
  if shape.i then
    local id = ARGV[at + shape.i]
    if owners[id] then return { 'owned', owners[id] } end
    owners[id] = key
    add(named, id, key)
  end
  over[key] = true
  if shape.t then records[written + 1], records[written + 2], written = job_base .. key, ARGV[at + shape.t], written + 2 end
  if shape.c then add(entries, key, ARGV[at + shape.c])
  elseif claim ~= '' then
    over_count = over_count + 1
    ended[over_count] = key
  end
  if shape.place ~= '-' then
    move(key, shape.g and ARGV[at + shape.g] or '', claim, shape.place, shape.d and ARGV[at + shape.d] or '', shape.d and ARGV[at + shape.d + 1] or 0, shape.state)
  end
  if shape.state ~= '-' then
    local of_state = came[shape.state] or {}
    came[shape.state] = of_state
    of_state[#of_state + 1] = key
  end
  if more > 0 then further(key, at + shape.size, more) end
  if shape.w then deliveries[#deliveries + 1] = { key, ARGV[at + shape.w] } end
end
for number = 1, count do
  local why = is_paused and 'paused' or decide(number, starts[number])
  if why then add(answers, number, why) end
end
-- Records first, and no claim outlives the record that tells its end. Should an error follow, from a key of a foreign type, the job is
-- due to be looked at still.
if #deleted > 0 then redis.call('UNLINK', unpack(deleted)) end
if #records > 0 then redis.call('MSET', unpack(records)) end
if #ended > 0 then redis.call('HDEL', claims_name, unpack(ended)) end
if #entries > 0 then redis.call('HSET', claims_name, unpack(entries)) end
for set, members in pairs(going) do
  if #members > 0 then redis.call('ZADD', queue_key(set), unpack(members)) end
end
if soonest < math.huge then bring_forward(integer(soonest), is_delivery and 'ready_deliveries' or 'ready') end
if #done > 0 then redis.call('ZADD', queue_key('done'), 'NX', unpack(done)) end
for set, members in pairs(leaving) do
  if #members > 0 then redis.call('ZREM', queue_key(set), unpack(members)) end
end
if #named > 0 then redis.pcall('HSET', queue_key('responses'), unpack(named)) end
if #forgotten > 0 then redis.pcall('HDEL', queue_key('responses'), unpack(forgotten)) end
for _, delivery in ipairs(deliveries) do enqueue_delivery(delivery[1], delivery[2], now_text) end
make_deliveries_due(now_text, ARGV[3])
for state, of_state in pairs(came) do
  for at = 1, #of_state, KEYS_AN_ENTRY do
    published[#published + 1] = { 'queue', queue, state, table.concat(of_state, ' ', at, math.min(at + KEYS_AN_ENTRY - 1, #of_state)) }
  end
end
for _, words in ipairs(published) do redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[4], '*', unpack(words)) end
if soonest <= now then redis.pcall('PUBLISH', is_delivery and ARGV[3] or ARGV[2], queue) end
return answers
