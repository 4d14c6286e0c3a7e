#!lua flags=allow-oom
-- Puts back one job of which a journal knows a send that this Redis has forgotten, if the job still is what the caller saw.
-- Its fence rises above every one that the journal knows, so that whatever comes late is refused.
-- KEYS  1 the lane's base
-- ARGV  1 wake channel, 2 lane name, 3 events kept, 4 key, 5 fence seen, 6 state seen (both '' = no record),
--       7 new state, 8 due set ('to_send'|'to_ask'|''), 9 due (ms), 10 reason, 11 highest fence that the journal knows,
--       12 sends, 13 resends, 14 first sent, 15 last sent (ms), 16 trade numbers ('' = as before), 17 line of the history
--       without its time, 18 what the journal's sends were about ('' = its key), 19 the reason of a job beside another one, {1},
--       about the same thing, 20 the reason of that one and 21 the line of its history without its time; and for a job without a
--       record: 22 content hash (32 bytes), 23 the content if it is too long for the record ('' otherwise), then name and value of
--       the fields that hold it
-- Returns {'ok'} | {'beside', key of another job about the same thing}: both are before a person | {'changed'}: look again
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: tell.lua
-- shared: intent.lua
-- shared: rivals.lua
local base, key, state, set = KEYS[1], ARGV[4], ARGV[7], ARGV[8]
local job, reason = base .. 'job:' .. key, ARGV[10]
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local is, marked, resends, first, tombstone, accepted_in = unpack(redis.call('HMGET', job, 's', 'm', 'rs', 't1', 'z', 'e'))
local created, _, last, fence, sends = marks_of(marked)
local claim = standing(redis.call('HGET', base .. 'held', key), fence or 0)
if claim then
  fence = claim.fence
  if is and claim.call == 'send' then is, last, sends, resends, first = 'in_doubt', claim.last, claim.sends, claim.resends, claim.first end
end
if is then is = state_in(tonumber(redis.call('HGET', base .. 'lane', 'era') or 0), is, accepted_in) end
if tombstone or (is or '') ~= ARGV[6] or (is and fence or '') ~= ARGV[5] then return { 'changed' } end

local fields = {}
local function set_field(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
local about, beside = ARGV[18], rival_of(base, key, ARGV[18])
if beside then
  state, set, reason = 'needs_review', '', string.gsub(ARGV[19], '"{1}"', { ['"{1}"'] = cjson.encode(beside) })
  set_rival_aside(base, beside, ARGV[20], ARGV[21], now, ARGV[3])
elseif about ~= '' then
  redis.call('SET', base .. 'about:' .. about, key)
end
if not is then
  set_field('h', ARGV[22])
  for at = 24, #ARGV do fields[#fields + 1] = ARGV[at] end
  if ARGV[23] ~= '' then redis.call('SET', base .. 'body:' .. key, ARGV[23]) end
end

if claim then -- it is nobody's now
  if claim.call == 'send' then redis.call('RPUSH', base .. 'log:' .. key, intent_line(claim.last, fence, claim.worker)) end
  redis.call('HDEL', base .. 'held', key)
end
local function most(own, known) return math.max(tonumber(own) or 0, tonumber(known)) end
first = first or (last ~= '0' and last)
first = math.min(tonumber(first) or math.huge, tonumber(ARGV[14]))
last, fence, sends, resends = most(last, ARGV[15]), most(fence, ARGV[11]) + 1, most(sends, ARGV[12]), most(resends, ARGV[13])
set_field('s', state)
set_field('m', marks(created or ARGV[14], now, whole(last), whole(fence), whole(sends)))
set_field('r', reason)
if first ~= last then set_field('t1', whole(first)) end
if resends > 0 then set_field('rs', whole(resends)) end
if ARGV[16] ~= '' then set_field('no', ARGV[16]) end
for number in string.gmatch(ARGV[16], '%S+') do redis.pcall('HSETNX', base .. 'ids', 'n' .. number, key) end
-- Due first: a record without it would be forgotten once more.
for _, name in ipairs({ 'to_send', 'to_ask', 'review', 'done' }) do
  if name ~= set then redis.call('ZREM', base .. name, key) end
end
if set ~= '' then redis.call('ZADD', base .. set, ARGV[9], key) else redis.call('ZADD', base .. 'review', now, key) end
redis.call('HSET', job, unpack(fields))
redis.call('RPUSH', base .. 'log:' .. key, '{"at":' .. now .. ',' .. string.sub(ARGV[17], 2))
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'key', key, 'state', state)
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
if is and is ~= state and TOLD[state] and redis.call('HEXISTS', job, 'cb1') == 1 then tell(base, key, state, now) end
if beside then return { 'beside', beside } end
return { 'ok' }
