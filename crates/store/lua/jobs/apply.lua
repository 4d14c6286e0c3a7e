#!lua flags=allow-oom
-- Writes decisions about jobs of one queue: the end of a claim, an operator's action, a restored job, a tombstone; or about
-- its webhook deliveries. Each is written only if claim and record have not changed since the decision; nothing is decided here.
-- KEYS  1 the partition's base, which never exists, 2 the queue's hash
-- ARGV  1 queue, 2 wake channel, 3 delivery channel, 4 events kept, 5 '' or a pause reason with which nothing is written,
--       6 the type of the records: 'job' | 'delivery' | 'notification', 7 the hash of their claims, 8 for how long the counts
--       of ended jobs are kept (ms), 9 number of runs, then two words of each run: the common part of its writes, 'COUNT PLACE
--       STATE LETTERS', '-' for none, and where these jobs are counted from now on, if they end: ' HOUR MINUTE STATE'; and the
--       expected claim ('' = none). PLACE is the new place: 'sends'|'queries'|'review'|'done'|'expired'|'quarantine'|'-' = unchanged; of a
--       delivery 'again'|'next' = this event is finished|'failed' = it is kept for a resend, the next one is due|'none' = no
--       further events are wanted, and all are kept for a resend|'quarantine'. STATE is
--       published. LETTERS name the further arguments of each write. Then for each write: key, which no other write of this
--       call has, and in this order:
--       t new record, r expected record ('' = none; without r any), c new claim, d due time (ms; of 'review' and 'done' the
--       time since which it is there, else now) and the decision's time by Redis's clock (ms), g its group after a space,
--       i response id, w webhook event, k its amount in fen, m number of words, then those: a letter with a text after it. 'q' quarantine entry,
--       'h' line for the history's list, 'b' the key of another job that has a business key ('' = none has, and the job gets
--       it), a space and that business key: a condition like the record, 'n' response id to add unless it is another job's,
--       'f' response id to remove, 'e' name of an event to publish, 'p' pause reason from now on, 'w' a webhook event before
--       the one above, 't' delivery record of the first event, 'd' deletes the job's other data, 'x' the record too, with its
--       business keys, each 'u', 'k' where it was counted and is not any more, a space and its amount in fen, 'a' era of the queue ('0' = none), a space and the text of the approved proposal: conditions like
--       the record, and the proposal is removed
-- Returns in turns the number of a write that was not made, counted from 1, and the reason: {'changed', claim, record} as
--         they are ('' = none) | {'owned', key of the job that has the response id} | 'paused' | 'unapproved'
-- shared: integer.lua
-- shared: names.lua
-- shared: ready.lua
-- shared: deliveries.lua
-- shared: proposals.lua
-- shared: counts.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = integer(now)
local args = ARGV -- a global is looked up by its name each time
local is_delivery = ARGV[6] == 'delivery'
local job_base, claims_name = queue_key(ARGV[6]) .. ':', queue_key(ARGV[7])
local runs, keys, count, ids, ids_count, owners = {}, {}, 0, {}, 0, {}
do
  local RUNS = 9
  local at = RUNS + 1 + 2 * args[RUNS]
  for number = 1, tonumber(args[RUNS]) do
    local head = RUNS - 1 + 2 * number
    local writes, place, state, letters, bucket = string.match(args[head], '^(%d+) (%S+) (%S+) (%S+) ?(.*)$')
    local run = { at = at, first = count + 1, place = place, state = state ~= '-' and state, claim = args[head + 1], bucket = bucket, size = 1 }
    for letter in string.gmatch(letters, '%l') do
      run[letter] = run.size
      run.size = run.size + (letter == 'd' and 2 or 1)
    end
    local size, id, more = run.size, run.i, run.m
    for _ = 1, writes do
      count = count + 1
      keys[count] = args[at]
      if id then
        ids_count = ids_count + 1
        ids[ids_count] = args[at + id]
      end
      at = at + size + (more and args[at + more] or 0)
    end
    runs[number], run.last = run, count
  end
end
local claims = redis.call('HMGET', claims_name, unpack(keys))
if ids_count > 0 then
  local known = redis.pcall('HMGET', queue_key('responses'), unpack(ids)) -- a foreign type must not keep responses from their records
  for at = 1, ids_count do
    if known[at] then owners[ids[at]] = known[at] end
  end
end
local is_paused = ARGV[5] ~= '' and redis.call('HGET', KEYS[2], 'paused') == ARGV[5]

local answers = {}
-- The writes for all jobs together, the most common lists with their lengths: making tables and counting them is the
-- main cost.
local records, written, named, named_count, done, done_count = {}, 0, {}, 0, {}, 0
local entries, forgotten, deleted, deliveries, published = {}, {}, {}, {}, {}
local going = { due_sends = {}, due_queries = {}, review = {}, due_deliveries = {} }
local leaving = { sends = {}, due_sends = {}, review = {}, done = {}, due_deliveries = {}, failed_deliveries = {} }
local soonest = math.huge
local function add(list, first, second)
  local place = #list
  list[place + 1], list[place + 2] = first, second
end
-- A key of a foreign type has no record, delays no other job's reply, and is never overwritten.
local function record_of(key)
  local record = redis.pcall('GET', job_base .. key)
  if type(record) == 'table' then return '', true end
  return record or '', false
end
-- True if another job than the expected one has a business key.
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
-- True if the proposal that was approved is gone, or Redis has lost writes since.
local function is_unapproved(key, at, count)
  for index = at, at + count - 1 do
    if string.sub(ARGV[index], 1, 1) == 'a' then
      local era, text = string.match(ARGV[index], '^a(%d+) (.*)$')
      if redis.call('GET', proposal_key(key)) ~= text or (redis.call('HGET', KEYS[2], 'era') or '0') ~= era then return true end
    end
  end
end
-- The further parts about a job, which most lack.
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
      for _, name in ipairs({ 'job', 'history', 'delivery', 'outbox', 'failed', 'archived' }) do deleted[#deleted + 1] = queue_key(name) .. ':' .. key end
      for _, name in ipairs({ 'quarantine', 'delivery_quarantine', 'delivery_claims' }) do redis.call('HDEL', queue_key(name), key) end
      leaving.failed_deliveries[#leaving.failed_deliveries + 1] = key
      leaving.due_deliveries[#leaving.due_deliveries + 1], leaving.done[#leaving.done + 1] = key, key
    elseif letter == 'u' then deleted[#deleted + 1] = queue_key('business') .. ':' .. word
    elseif letter == 'f' then forgotten[#forgotten + 1] = word
    elseif letter == 'k' then
      local bucket, fen = string.match(word, '^(.*) (%d+)$')
      add_to_counts('-', bucket, fen)
    elseif letter == 'a' then remove_proposal(key)
    elseif letter == 'e' then published[#published + 1] = { 'queue', queue, 'event', word, 'key', key }
    elseif letter == 'p' then
      if redis.pcall('HSETNX', KEYS[2], 'paused', word) == 1 then published[#published + 1] = { 'queue', queue, 'event', 'paused', 'reason', word } end
    elseif letter == 'q' then redis.call('HSET', queue_key(is_delivery and 'delivery_quarantine' or 'quarantine'), key, word)
    elseif letter == 'd' then
      for _, name in ipairs({ 'history', 'delivery', 'outbox', 'failed', 'archived' }) do deleted[#deleted + 1] = queue_key(name) .. ':' .. key end
      leaving.failed_deliveries[#leaving.failed_deliveries + 1] = key
    end
  end
end
-- Keeps events that were not delivered for an operator, who may have them delivered again.
local MAX_FAILED = 16
local function keep_failed(key, events)
  local failed = queue_key('failed') .. ':' .. key
  for _, event in ipairs(events) do redis.pcall('RPUSH', failed, event) end
  local kept = redis.pcall('LLEN', failed)
  for _ = MAX_FAILED + 1, type(kept) == 'number' and kept or 0 do redis.pcall('LPOP', failed) end
  redis.pcall('ZADD', queue_key('failed_deliveries'), now_text, key)
end
local function move_delivery(key, place, due)
  local outbox = queue_key('outbox') .. ':' .. key
  if place == 'next' or place == 'failed' then
    local event = redis.pcall('LPOP', outbox)
    if place == 'failed' and type(event) == 'string' then keep_failed(key, { event }) end
    deleted[#deleted + 1] = job_base .. key
    if redis.call('EXISTS', outbox) == 1 then place, due = 'again', now_text end
  elseif place == 'none' then
    local events = redis.pcall('LRANGE', outbox, 0, -1)
    if #events > 0 then keep_failed(key, events) end
    deleted[#deleted + 1] = outbox
  end
  if place ~= 'again' then
    leaving.due_deliveries[#leaving.due_deliveries + 1] = key
    return
  end
  add(going.due_deliveries, due, key)
  soonest = math.min(soonest, tonumber(due))
end
local function move(run, key, at)
  local place, claim, group = run.place, run.claim, run.g and args[at + run.g] or ''
  local due, decided = run.d and args[at + run.d] or '', run.d and args[at + run.d + 1] or 0
  -- Redis's clock was set back since: a time that was decided by the wrong clock is moved to the right one.
  if (place == 'sends' or place == 'queries' or place == 'again') and tonumber(decided) > now then
    due = integer(math.max(0, due - (decided - now)))
  end
  if is_delivery then return move_delivery(key, place, due) end
  if place == 'done' then
    done[done_count + 1], done[done_count + 2], done_count = due ~= '' and due or now_text, key, done_count + 2
  elseif place == 'queries' then add(going.due_queries, due, key)
  elseif place == 'sends' then add(going.due_sends, due, key .. group)
  elseif place == 'review' then add(going.review, due ~= '' and due or now_text, key)
  elseif place == 'expired' then leaving.done[#leaving.done + 1] = key
  end
  if place == 'sends' or place == 'queries' then soonest = math.min(soonest, tonumber(due)) end
  if claim == '' then -- it may be in any other set
    leaving.sends[#leaving.sends + 1] = key .. group
    if place ~= 'sends' then leaving.due_sends[#leaving.due_sends + 1] = key .. group end
    if place ~= 'review' then leaving.review[#leaving.review + 1] = key end
    -- An ended job that is only queried once more stays among the ended ones; a job that left its final state does not.
    if place == 'review' or place == 'sends' or (place == 'queries' and run.state) then leaving.done[#leaving.done + 1] = key end
  end
end
-- Returns the reason why nothing is written, if a job has changed since it was read.
local function changed(run, key, at, claim_now)
  if run.claim ~= claim_now or run.r then
    local record_now, is_foreign = record_of(key)
    if is_foreign or run.claim ~= claim_now or args[at + run.r] ~= record_now then return { 'changed', claim_now, record_now } end
  end
  local more = run.m and tonumber(args[at + run.m]) or 0
  if more > 0 and has_other_rival(key, at + run.size, more) then return { 'changed', claim_now, (record_of(key)) } end
  if more > 0 and is_unapproved(key, at + run.size, more) then return 'unapproved' end
end
-- Decides about all writes of a run. Returns the keys of those that are made.
local function made_of(run)
  local claim, place, size = run.claim, run.place, run.size
  local record_at, claim_at, id_at, event_at, fen_at, more_at, has_guards = run.t, run.c, run.i, run.w, run.k, run.m, run.r or run.m
  local ends_now = place == 'done' and claim ~= '' and not run.d and not is_delivery -- as most do
  local made, made_count, at = {}, 0, run.at
  for number = run.first, run.last do
    local key, claim_now = keys[number], claims[number] or ''
    local more = more_at and tonumber(args[at + more_at]) or 0
    local why = is_paused and 'paused' or ((has_guards or claim ~= claim_now) and changed(run, key, at, claim_now))
    local id = id_at and args[at + id_at]
    if id and not why and owners[id] then why = { 'owned', owners[id] } end
    if why then
      add(answers, number, why)
    else
      made_count = made_count + 1
      made[made_count] = key
      if id then
        owners[id] = key
        named[named_count + 1], named[named_count + 2], named_count = id, key, named_count + 2
      end
      if record_at then records[written + 1], records[written + 2], written = job_base .. key, args[at + record_at], written + 2 end
      if claim_at then add(entries, key, args[at + claim_at]) end
      if ends_now then done[done_count + 1], done[done_count + 2], done_count = now_text, key, done_count + 2
      elseif place ~= '-' then move(run, key, at)
      end
      if fen_at then add_to_counts('', run.bucket, args[at + fen_at]) end
      if more > 0 then further(key, at + size, more) end
      if event_at then deliveries[#deliveries + 1] = { key, args[at + event_at] } end
    end
    at = at + size + more
  end
  return made
end
-- Most calls have one run, whose list is not copied.
local function joined(lists)
  if #lists < 2 then return lists[1] or {} end
  local all, count = {}, 0
  for _, list in ipairs(lists) do
    for at = 1, #list do all[count + at] = list[at] end
    count = count + #list
  end
  return all
end
local ended, queried_no_more, came = {}, {}, {}
for _, run in ipairs(runs) do
  local made, place, state = made_of(run), run.place, run.state
  if run.claim ~= '' and not run.c then ended[#ended + 1] = made end
  if place ~= '-' and place ~= 'queries' and not is_delivery then queried_no_more[#queried_no_more + 1] = made end
  if state then
    came[state] = came[state] or {}
    came[state][#came[state] + 1] = made
  end
end
ended, leaving.due_queries = joined(ended), joined(queried_no_more)
-- Records first, and no claim outlives the record that includes its end. After an error, from a key of a foreign type,
-- the job is still due.
if #deleted > 0 then redis.call('UNLINK', unpack(deleted)) end
if #records > 0 then redis.call('MSET', unpack(records)) end
if #ended > 0 then redis.call('HDEL', claims_name, unpack(ended)) end
write_counts(ARGV[8]) -- at once: a repeated write finds that record and claim have changed
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
-- The keys that reached each state: an entry for each job would cost a command each.
local KEYS_AN_ENTRY = 64
for state, lists in pairs(came) do
  local of_state = joined(lists)
  for at = 1, #of_state, KEYS_AN_ENTRY do
    published[#published + 1] = { 'queue', queue, state, table.concat(of_state, ' ', at, math.min(at + KEYS_AN_ENTRY - 1, #of_state)) }
  end
end
for _, words in ipairs(published) do redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[4], '*', unpack(words)) end
if soonest <= now then redis.pcall('PUBLISH', is_delivery and ARGV[3] or ARGV[2], queue) end
return answers
