#!lua flags=allow-oom
-- Writes what was decided about jobs of one queue: the end of a claim, an operator's action, a restored job, a tombstone; or about its
-- webhook deliveries. Each is written only if claim and record still are what the decision was made of; nothing is decided here.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 delivery channel, 4 events kept, 5 '' or why a queue is paused in which nothing of this may be done,
--       6 whose records: 'job' | 'delivery' | 'notification', 7 the hash with their claims, then for each:
--       key, group ('' = none) with a space before it, claim seen ('' = none), record seen ('-' = it may be any, '' = none), record to
--       write ('' = as it is), claim to write ('' = none), place ('sends'|'queries'|'review'|'done'|'expired'|'quarantine'|'' = as it is; of
--       a delivery 'again'|'next' = this event is over|'none' = no further ones are wanted|'quarantine'), due (ms, or what the quarantine
--       says), the decider's idea of Redis's time (ms, 0 = none), state to publish ('' = unchanged), webhook event ('' = none), what the
--       response is known by ('' = nothing), further arguments, then those: a letter with a text behind it, 'h' a line for the history's
--       list, 'b' the key of another job that has a business key ('' = none has, and the job has it now), a space and that business key,
--       which is a guard like the record, 'n' and 'f' what a response is known by, unless it is another's, and no longer is, 'e' an event of
--       this name to publish, 'p' why the queue is paused from now on, 'w' a webhook event before the one above, 't' what was tried of the
--       first one, 'd' deletes whatever else is kept of the job, 'x' the record too, with its business keys, each 'u'
-- Returns for each job 'ok' | {'changed', claim, record} as they are ('' = none) | {'owned', key of the job that the response is known by}
--         | 'paused' | 'repeated' (this very call has the job twice: nothing was done for the second)
-- shared: whole.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: deliveries.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = whole(now)
local WORDS = 13
local is_delivery = ARGV[6] == 'delivery'
local job_base, claims_name = queue_key(ARGV[6]) .. ':', queue_key(ARGV[7])
local keys, starts = {}, {}
do
  local at = 8
  while at <= #ARGV do
    keys[#keys + 1], starts[#starts + 1] = ARGV[at], at
    at = at + WORDS + ARGV[at + 12]
  end
end
local claims = redis.call('HMGET', claims_name, unpack(keys))
local ids, owners = {}, {}
for _, at in ipairs(starts) do
  if ARGV[at + 11] ~= '' then ids[#ids + 1] = ARGV[at + 11] end
end
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
-- What changed, several jobs to an entry of the stream: an entry of its own costs each job a command.
local EVENTS_AN_ENTRY, WORDS_AN_EVENT = 16, 4
local changed, event, event_words = {}, nil, 0
local function add_event(key, state)
  if not event or event_words == EVENTS_AN_ENTRY * WORDS_AN_EVENT then
    event, event_words = { 'queue', queue }, 0
    changed[#changed + 1] = event
  end
  event[event_words + 3], event[event_words + 4], event[event_words + 5], event[event_words + 6] = 'key', key, 'state', state
  event_words = event_words + WORDS_AN_EVENT
end
local over = {} -- jobs of this very call
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
      leaving.due_deliveries[#leaving.due_deliveries + 1], leaving.done[#leaving.done + 1] = key, key
    elseif letter == 'u' then deleted[#deleted + 1] = queue_key('business') .. ':' .. word
    elseif letter == 'f' then forgotten[#forgotten + 1] = word
    elseif letter == 'e' then changed[#changed + 1] = { 'queue', queue, 'event', word, 'key', key }
    elseif letter == 'p' then
      if redis.pcall('HSETNX', KEYS[2], 'paused', word) == 1 then
        changed[#changed + 1], event = { 'queue', queue, 'event', 'paused', 'reason', word }, nil
      end
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
  elseif place == 'quarantine' then redis.call('HSET', queue_key('delivery_quarantine'), key, due)
  end
  if place ~= 'again' then
    leaving.due_deliveries[#leaving.due_deliveries + 1] = key
    return
  end
  add(going.due_deliveries, due, key)
  soonest = math.min(soonest, tonumber(due))
end
local function move(key, group, claim, place, due, decided)
  -- Redis's clock was set back since: what was decided by the other one comes due by this one.
  if (place == 'sends' or place == 'queries' or place == 'again') and tonumber(decided) > now then
    due = whole(math.max(0, due - (decided - now)))
  end
  if is_delivery then return move_delivery(key, place, due) end
  if place == 'done' then add(done, now_text, key)
  elseif place == 'queries' then add(going.due_queries, due, key)
  elseif place == 'sends' then add(going.due_sends, due, key .. group)
  elseif place == 'review' then add(going.review, now_text, key)
  elseif place == 'expired' then leaving.done[#leaving.done + 1] = key
  else redis.call('HSET', queue_key('quarantine'), key, due)
  end
  if place == 'sends' or place == 'queries' then soonest = math.min(soonest, tonumber(due)) end
  if place ~= 'queries' then leaving.due_queries[#leaving.due_queries + 1] = key end
  if claim == '' then -- it may be in any other set
    leaving.sends[#leaving.sends + 1] = key .. group
    if place ~= 'sends' then leaving.due_sends[#leaving.due_sends + 1] = key .. group end
    if place ~= 'review' then leaving.review[#leaving.review + 1] = key end
  end
end
local function decide(number, at)
  local key, group, claim, record, text, entry, place, due, decided, state, webhook, id, more = unpack(ARGV, at, at + WORDS - 1)
  if over[key] then return 'repeated' end
  local claim_now = claims[number] or ''
  if claim ~= claim_now or record ~= '-' then
    local record_now = redis.call('GET', job_base .. key) or ''
    if claim ~= claim_now or record ~= record_now then return { 'changed', claim_now, record_now } end
  end
  if more ~= '0' and has_other_rival(key, at + WORDS, more) then
    return { 'changed', claim_now, redis.call('GET', job_base .. key) or '' }
  end
  if id ~= '' then
    if owners[id] then return { 'owned', owners[id] } end
    owners[id] = key
    add(named, id, key)
  end
  over[key] = true
  if text ~= '' then records[written + 1], records[written + 2], written = job_base .. key, text, written + 2 end
  if entry ~= '' then add(entries, key, entry)
  elseif claim ~= '' then
    over_count = over_count + 1
    ended[over_count] = key
  end
  if place ~= '' then move(key, group, claim, place, due, decided) end
  if state ~= '' then add_event(key, state) end
  if more ~= '0' then further(key, at + WORDS, more) end
  if webhook ~= '' then deliveries[#deliveries + 1] = { key, webhook } end
  return 'ok'
end
for number, at in ipairs(starts) do answers[number] = is_paused and 'paused' or decide(number, at) end
-- Records first, and no claim outlives the record that tells its end. Should an error follow, from a key of a foreign type, the job is
-- due to be looked at still.
if #deleted > 0 then redis.call('UNLINK', unpack(deleted)) end
if #records > 0 then redis.call('MSET', unpack(records)) end
if #ended > 0 then redis.call('HDEL', claims_name, unpack(ended)) end
if #entries > 0 then redis.call('HSET', claims_name, unpack(entries)) end
for set, members in pairs(going) do
  if #members > 0 then redis.call('ZADD', queue_key(set), unpack(members)) end
end
if soonest < math.huge then bring_forward(whole(soonest), is_delivery and 'ready_deliveries' or 'ready') end
if #done > 0 then redis.call('ZADD', queue_key('done'), 'NX', unpack(done)) end
for set, members in pairs(leaving) do
  if #members > 0 then redis.call('ZREM', queue_key(set), unpack(members)) end
end
if #named > 0 then redis.pcall('HSET', queue_key('responses'), unpack(named)) end
if #forgotten > 0 then redis.pcall('HDEL', queue_key('responses'), unpack(forgotten)) end
for _, delivery in ipairs(deliveries) do enqueue_delivery(delivery[1], delivery[2], now_text) end
make_deliveries_due(now_text, ARGV[3])
for _, words in ipairs(changed) do redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[4], '*', unpack(words)) end
if soonest <= now then redis.pcall('PUBLISH', is_delivery and ARGV[3] or ARGV[2], queue) end
return answers
