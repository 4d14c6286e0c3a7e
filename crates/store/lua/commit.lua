#!lua flags=allow-oom
-- Records what became of claimed jobs of one lane. Refused under any fence but the record's own; repeatable under it.
-- What a gateway answered is kept in the log even when the job has moved on: it is evidence.
-- KEYS  1 the lane's base
-- ARGV  1 events kept, 2 log lines after which an ask that changed nothing is counted only, then for each job:
--       key, fence, what follows, trade numbers ('' = as before), gateway status ('' = as before), reason ('' = none),
--       log line ('' = none); what follows being the state alone where a send has ended the job, else the state, the due set
--       ('to_send'|'to_ask'|'-'), due (ms), asked (0|1), resend given back (0|1), 1 if the lane must pause for the reason
--       else 0, with spaces between
-- Returns for each job 'ok' | 'again' (committed before, under this fence) | 'stale'
-- shared: whole.lua
-- shared: marks.lua
-- shared: tell.lua
-- shared: intent.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local answers = {}
-- Where the jobs go, in one write for each set. Should an error come before it, they are in `to_ask` still, and come due.
local leaving, going = {}, { to_send = {}, to_ask = {}, review = {}, done = {} }
local more, count = {}, 0 -- fields that only some commits write; one table for all, for making tables is what costs
local function set_field(name, value) more[count + 1], more[count + 2], count = name, value, count + 2 end
-- What became of a job's first claim stands in its record, with the worker's name, in pieces like a content's: most jobs have
-- no other attempt, and a log of its own would cost each of them more bytes than its lines. All that follows is in the log.
local PIECE_BYTES, FIRST = 64, { 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8' }
-- How an answer's line to a first send begins: left out of the record, where the line begins with the worker's name instead.
local ANSWER = '{"e":"answer","f":1,"call":"send",'
-- What changed, several jobs to an entry of the stream: an entry of its own costs each job a command.
local EVENTS_AN_ENTRY, WORDS = 16, 4
local events = {}
local function add_events()
  if #events > 0 then redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[1], '*', unpack(events)) end
  events = {}
end
local function add_event(key, state)
  local at = #events
  events[at + 1], events[at + 2], events[at + 3], events[at + 4] = 'key', key, 'state', state
  if at + WORDS == EVENTS_AN_ENTRY * WORDS then add_events() end
end
local quoted = {} -- workers' names as JSON, by name
local function name_of(worker)
  if not quoted[worker] then quoted[worker] = cjson.encode(worker) end
  return quoted[worker]
end
for at = 3, #ARGV, 7 do
  local key, fence, what, numbers, status, reason, line = unpack(ARGV, at, at + 6)
  local state, set, due, asked, give_back, pause = what, '-', '0', '0', '0', '0'
  if not TOLD[what] then state, set, due, asked, give_back, pause = string.match(what, '^(%S+) (%S+) (%d+) (%d) (%d) (%d)$') end
  local job, log = base .. 'job:' .. key, base .. 'log:' .. key
  -- What is not asked for is named 's': to look for a field that is not there takes as long as to read the whole record.
  local was, marked, held, had_reason, asks, callback =
    unpack(redis.call('HMGET', job, 's', 'm', 'w', 'r', asked == '1' and 'a' or 's', TOLD[state] and 'cb1' or 's'))
  local created, _, sent, its_fence, sends, before = marks_of(marked)
  if its_fence ~= fence then
    -- Fences only rise: a record behind its claim is one that Redis has lost the claim of.
    local behind = (tonumber(its_fence) or 0) < tonumber(fence)
    if behind and redis.call('HEXISTS', job, 'z') == 0 then redis.call('HSET', base .. 'lane', 'doubt', now) end
    local stale = '{"stale":true,' .. string.sub(line, 2)
    if its_fence and line ~= '' and redis.pcall('LINDEX', log, -1) ~= stale then redis.pcall('RPUSH', log, stale) end
    answers[#answers + 1] = 'stale'
  elseif not held or held == '' then
    answers[#answers + 1] = 'again'
  else
    count, asks, before = 0, asked == '1' and tonumber(asks) or 0, before ~= '' and before
    if asked == '1' then set_field('a', whole(asks + 1)) end
    if give_back == '1' and before and before ~= 'queued' then
      local resends = tonumber(redis.call('HGET', job, 'rs')) or 0
      set_field('rs', whole(math.max(0, resends - 1)))
    end
    if numbers ~= '' then set_field('no', numbers) end
    if status ~= '' then set_field('g', status) end
    if reason ~= '' then set_field('r', reason) end
    local changed, first = state ~= (before or was), false
    if before and fence == '1' and line ~= '' then
      local is_answer = string.sub(line, 1, #ANSWER) == ANSWER
      local told = is_answer and name_of(held) .. ',' .. string.sub(line, #ANSWER + 1) or '{"w":' .. name_of(held) .. ',' .. string.sub(line, 2)
      first = #told <= PIECE_BYTES * #FIRST
      if first then
        for piece = 1, math.ceil(#told / PIECE_BYTES) do
          set_field(FIRST[piece], string.sub(told, (piece - 1) * PIECE_BYTES + 1, piece * PIECE_BYTES))
        end
      end
    end
    if before and not first then
      local lines = { intent_line(sent, fence, held), line ~= '' and line or nil }
      redis.pcall('RPUSH', log, unpack(lines)) -- a log of a foreign type must not keep the answer from the record
    elseif not first and line ~= '' and (changed or asked == '0' or asks < tonumber(ARGV[2])) then
      redis.pcall('RPUSH', log, line)
    end
    -- Emptied, not taken away: that would be a command of its own.
    redis.call('HSET', job, 's', state, 'm', marks(created, now, sent, fence, sends), 'w', '', unpack(more, 1, count))
    if had_reason and reason == '' then redis.call('HDEL', job, 'r') end
    if set ~= 'to_ask' then leaving[#leaving + 1] = key end
    local there = going[set] or (state == 'needs_review' and going.review or going.done)
    there[#there + 1] = set ~= '-' and due or now
    there[#there + 1] = key
    if changed then add_event(key, state) end
    if changed and TOLD[state] and callback then tell(base, key, state, now) end
    if pause == '1' and redis.call('HSETNX', base .. 'lane', 'paused', reason) == 1 then
      add_events()
      redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[1], '*', 'lane', 'paused', 'why', reason)
    end
    answers[#answers + 1] = 'ok'
  end
end
if #leaving > 0 then redis.call('ZREM', base .. 'to_ask', unpack(leaving)) end
for _, set in ipairs({ 'to_send', 'to_ask', 'review' }) do
  if #going[set] > 0 then redis.call('ZADD', base .. set, unpack(going[set])) end
end
if #going.done > 0 then redis.call('ZADD', base .. 'done', 'NX', unpack(going.done)) end
add_events()
return answers
