#!lua flags=allow-oom
-- Records what became of claimed jobs of one lane. Refused under any claim but its own; repeatable under it.
-- A response that comes when the job has moved on is still used: it is kept in the log, its numbers make the job one that can be
-- queried, and what it said decides where nothing else can.
-- KEYS  1 the lane's base
-- ARGV  1 events kept, 2 log lines after which an ask that changed nothing is counted only, 3 the reason of a job to which other
--       content was sent, 4 that of one whose response names the trade number {0} of job {1}, 5 that of one whose response to request
--       {0} came before, for job {1}, 6 the same for this job, then for each job:
--       key, fence, token, what follows, trade numbers ('' = as before), gateway status ('' = as before), reason ('' = none),
--       log line ('' = none), should it come too late: the era in which the job was claimed; '' where its call certainly took no
--       effect, 'maybe', or what the response said ('accepted'|'succeeded'|'failed'|'refunded'); the first digits of the hash of
--       the content that was claimed; and all trade numbers that are known, with spaces between; what the
--       response is known by ('' = nothing: 'n' and a number of the job's, 'r' and a request's id); what follows being the state alone
--       where a send has ended the job, else the state, the due set ('to_send'|'to_ask'|'-'), due (ms), asked (0|1), resend given
--       back (0|1|2 = the send was not made), 1 if the lane must pause for the reason else 0, the worker's idea of Redis's time when it
--       set the due time (ms), with spaces between
-- Returns for each job 'ok' | 'again' (committed before, under this claim) | 'stale' | 'mismatch' (a person must look: another response is
--         known by the same)
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: tell.lua
-- shared: late.lua
-- shared: intent.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local answers = {}
-- What is written for all jobs at once, in this order. The claims end first: should an error come after it, from a key of a foreign
-- type, the jobs are in `to_ask` still, and come due.
local ended, leaving, going = {}, {}, { to_send = {}, to_ask = {}, review = {}, done = {} }
local more, count = {}, 0 -- fields that only some commits write; one table for all, for making tables is what costs
local function set_field(name, value) more[count + 1], more[count + 2], count = name, value, count + 2 end
-- What became of a job's first claim stands in its record, with the worker's name, in pieces like a content's: most jobs have
-- no other attempt, and a log of its own would cost each of them more bytes than its lines. All that follows is in the log.
local PIECE_BYTES, FIRST = 64, { 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8' }
-- How the line of a response to a first send begins: left out of the record, where the line begins with the worker's name instead.
local RESPONSE = '{"event":"response","fence":1,"call":"send","worker":'
-- What changed, several jobs to an entry of the stream: an entry of its own costs each job a command.
local EVENTS_AN_ENTRY, WORDS = 16, 4
local entries, entry = {}, {}
local function add_event(key, state)
  local at = #entry
  if at == 0 or at == EVENTS_AN_ENTRY * WORDS then
    at, entry = 0, {}
    entries[#entries + 1] = entry
  end
  entry[at + 1], entry[at + 2], entry[at + 3], entry[at + 4] = 'key', key, 'state', state
end
local FIRST_JOB, ARGUMENTS = 7, 10 -- of each job
-- A claim that is not there has ended, was taken over, or was lost with other writes of Redis.
local function came_late(key, fence, token, line, late, is_send, claim_text)
  local job, log = base .. 'job:' .. key, base .. 'log:' .. key
  local marked, tombstone, ended_by, state, known, hash, callback = unpack(redis.pcall('HMGET', job, 'm', 'z', 'k', 's', 'no', 'h', 'cb1')) -- nothing where a foreign key stands
  local created, _, sent, record_fence, sends = marks_of(marked)
  if record_fence and ended_by == token then return 'again' end
  local claimed = standing(claim_text, record_fence or 0)
  local newest = claimed and claimed.fence or record_fence or '0'
  -- Fences only rise, and are repeated once Redis has lost writes.
  local was_lost = not tombstone and tonumber(newest) <= tonumber(fence)
  -- A send that Redis has forgotten: it is counted, and waits count from the latest moment at which it can have been.
  if record_fence and (sent == '0' or is_send and was_lost) then sent, sends = now, next_of(sends) end
  local its_era, said, digits, all_numbers = string.match(late, '^(%d+) (%l*) (%x*) (.*)$')
  if was_lost then
    local epoch, era = unpack(redis.call('HMGET', base .. 'lane', 'e', 'era'))
    era = tonumber(era) or 0
    if era <= tonumber(its_era) then begin_era(base, era, (tonumber(epoch) or 0) + 1, ARGV[1]) end
  end
  if not record_fence then return 'stale' end
  local stale = '{"late":true,' .. string.sub(line, 2)
  local is_repeated = line == '' or redis.pcall('LINDEX', log, -1) == stale
  if not is_repeated then redis.pcall('RPUSH', log, stale) end
  if said == '' or is_repeated and line ~= '' then return 'stale' end
  local use = is_hash(hash or '', digits) and use_late or use_late_of_other_content
  use(base, key, { now = now, state = state, claim = claimed, text = claim_text, said = said, numbers = all_numbers, known = known, events_kept = ARGV[1], other_content = ARGV[3],
    has_callback = callback, marks = { created, now, sent, record_fence, sends } })
  return 'stale'
end
local keys, over = {}, {} -- the jobs, and those among them whose claim has ended in this very call
local ids, owners, named = {}, {}, {} -- what the responses are known by, whose that is, and what is new
for at = FIRST_JOB, #ARGV, ARGUMENTS do
  keys[#keys + 1] = ARGV[at]
  if ARGV[at + 9] ~= '' then ids[#ids + 1] = ARGV[at + 9] end
end
if #ids > 0 then
  local known = redis.pcall('HMGET', base .. 'ids', unpack(ids)) -- a key of a foreign type must not keep answers from their records
  for at = 1, #ids do owners[ids[at]] = known[at] end
end
local claims = redis.call('HMGET', base .. 'held', unpack(keys))
for at = FIRST_JOB, #ARGV, ARGUMENTS do
  local key, fence, token, what, numbers, status, reason, line, late, id = unpack(ARGV, at, at + ARGUMENTS - 1)
  local state, set, due, asked, give_back, pause, decided = what, '-', '0', '0', '0', '0', '0'
  if not TOLD[what] then state, set, due, asked, give_back, pause, decided = string.match(what, '^(%S+) (%S+) (%d+) (%d) (%d) (%d) (%d+)$') end
  local job, log, claim = base .. 'job:' .. key, base .. 'log:' .. key, not over[key] and claims[(at - FIRST_JOB) / ARGUMENTS + 1]
  local call, was, its_fence, sends, resends, asks, first, last, created, has_reason, has_callback, has_late, its_token, worker = string.match(claim or '', CLAIM)
  local written = its_fence == fence and its_token == token
  local mismatch = false
  if written then
    count = 0
    set_field('k', token)
    local owner = id ~= '' and owners[id]
    -- What a query says of a job that has ended is noted as an anomaly, whoever else has its number.
    mismatch = owner and (owner ~= key or string.sub(id, 1, 1) == 'r') and not (TOLD[was] and was ~= 'needs_review')
    if mismatch then
      state, set, give_back, pause, numbers, status = 'needs_review', '-', '0', '0', '', ''
      reason = string.sub(id, 1, 1) == 'n' and ARGV[4] or owner == key and ARGV[6] or ARGV[5]
      reason = string.gsub(reason, '"{(%d)}"', { ['0'] = cjson.encode(string.sub(id, 2)), ['1'] = cjson.encode(owner) })
    elseif id ~= '' and not owner then
      owners[id] = key
      local place = #named
      named[place + 1], named[place + 2] = id, key
    end
    -- Redis's clock was set back since: what was decided by the other one comes due by this one.
    if tonumber(decided) > tonumber(now) and set ~= '-' then due = whole(math.max(0, due - (decided - now))) end
    if last > now then last = now end -- texts of one length
    if first > now then first = now end
    if created > now then created = now end
    -- A late response knows more than this call: the job is looked at once more, with it.
    if has_late == '2' and LATE_REOPENS[state] then state, set, reason = 'needs_review', '-', ARGV[3] end
    if has_late == '1' and LATE_REOPENS[state] and not mismatch then state, set, due = 'in_doubt', 'to_ask', now end
    if asked == '1' then
      asks = next_of(asks)
      set_field('a', asks)
    end
    if call == 'send' then
      if give_back == '0' and was ~= 'queued' then set_field('rs', resends) end
      if give_back == '2' then sends = whole(sends - 1) end -- the claim counted it
      if first ~= last then set_field('t1', first) end
    end
    if numbers ~= '' then set_field('no', numbers) end
    if status ~= '' then set_field('g', status) end
    if reason ~= '' then set_field('r', reason) end
    local changed, in_record = state ~= was, false
    if call == 'send' and fence == '1' and line ~= '' then
      local told = string.sub(line, 1, #RESPONSE) == RESPONSE and string.sub(line, #RESPONSE + 1) or line
      in_record = #told <= PIECE_BYTES * #FIRST
      if in_record then
        for piece = 1, math.ceil(#told / PIECE_BYTES) do
          set_field(FIRST[piece], string.sub(told, (piece - 1) * PIECE_BYTES + 1, piece * PIECE_BYTES))
        end
      end
    end
    ended[#ended + 1], over[key] = key, true
    local new = redis.pcall('HSET', job, 's', state, 'm', marks(created, now, last, fence, sends), unpack(more, 1, count))
    -- A record has its state and marks: where they are new there was none, and none is to be made of an end alone.
    written = type(new) == 'number' and new < 2 + count / 2
    if not written and type(new) == 'number' then
      local names = { 's', 'm' }
      for at = 1, count, 2 do names[#names + 1] = more[at] end
      redis.call('HDEL', job, unpack(names)) -- what else stood there, a tombstone, still does
    end
    if written then
      -- A log of a foreign type must not keep the answer from the record.
      if not in_record then
        if call == 'send' then redis.pcall('RPUSH', log, intent_line(last, fence, worker)) end
        if line ~= '' and (call == 'send' or changed or asked == '0' or tonumber(asks) <= tonumber(ARGV[2])) then redis.pcall('RPUSH', log, line) end
      end
      if has_reason == '1' and reason == '' then redis.call('HDEL', job, 'r') end
      if set ~= 'to_ask' then leaving[#leaving + 1] = key end
      local there = going[set] or (state == 'needs_review' and going.review or going.done)
      there[#there + 1] = set ~= '-' and due or now
      there[#there + 1] = key
      if changed then add_event(key, state) end
      if changed and has_callback == '1' and TOLD[state] then tell(base, key, state, now) end
      if pause == '1' and redis.call('HSETNX', base .. 'lane', 'paused', reason) == 1 then
        entries[#entries + 1], entry = { 'lane', 'paused', 'reason', reason }, {}
      end
      answers[#answers + 1] = mismatch and 'mismatch' or 'ok'
    end
  end
  if not written then
    -- A response that another job is known by says nothing of this one: a send that it came for may have been executed.
    local owner = id ~= '' and owners[id]
    if owner and owner ~= key then
      late = string.gsub(late, '^(%d+) %l* (%x*).*$', asked == '0' and '%1 maybe %2 ' or '%1  %2 ')
    end
    answers[#answers + 1] = came_late(key, fence, token, line, late, asked == '0', claim)
  end
end
if #ended > 0 then redis.call('HDEL', base .. 'held', unpack(ended)) end
for _, set in ipairs({ 'to_send', 'to_ask', 'review' }) do
  if #going[set] > 0 then redis.call('ZADD', base .. set, unpack(going[set])) end
end
if #named > 0 then redis.pcall('HSET', base .. 'ids', unpack(named)) end
if #going.done > 0 then redis.call('ZADD', base .. 'done', 'NX', unpack(going.done)) end
if #leaving > 0 then redis.call('ZREM', base .. 'to_ask', unpack(leaving)) end
for _, words in ipairs(entries) do redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[1], '*', unpack(words)) end
return answers
