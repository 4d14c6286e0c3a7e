#!lua flags=allow-oom
-- Hands one job of a lane whose account has another name now to the lane of that name: record, content, log, due times, what is to
-- be told and what the job is about, in one step. If a job of the same content is already there under the same key, the one that was
-- never sent gives way to the other.
-- KEYS  1 the base of the new lane
-- ARGV  1 wake channel, 2 name of the new lane, 3 events kept, 4 the base of the old lane, 5 key, 6 line of the history
--       without its time; then every thing whose `about` names the job
-- Returns {'moved', state of the job that is there now} | {'gone'} | {'held'} (a worker's lease on it has not ended) |
--         {'unreadable'} | {'conflict', key of the job in the new lane that stands for the same}
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
-- shared: intent.lua
local base, old, key = KEYS[1], ARGV[4], ARGV[5]
local job, its = base .. 'job:' .. key, old .. 'job:' .. key
local time = redis.call('TIME')
local now = whole(time[1] * 1000 + math.floor(time[2] / 1000))
local SETS = { 'to_send', 'to_ask', 'review', 'done', 'to_tell' }

local state, marked, tombstone, hash, losses, resends, first, accepted_in = unpack(redis.call('HMGET', its, 's', 'm', 'z', 'h', 'l', 'rs', 't1', 'e'))
if not state and not tombstone then return { 'gone' } end
local created, changed, sent, fence, sends = marks_of(marked)
if state and not created then return { 'unreadable' } end
local held = redis.call('HGET', old .. 'held', key)
local claim = state and standing(held, fence)
if claim then
  local lease = redis.call('ZSCORE', old .. 'to_ask', key)
  if lease and tonumber(lease) > tonumber(now) then return { 'held' } end
end

-- What the new lane has for the same. Only a job that was certainly never sent gives way: that one, or else this.
local there, their_hash, their_marks, their_end, their_era = unpack(redis.call('HMGET', job, 's', 'h', 'm', 'z', 'e'))
local era = tonumber(redis.call('HGET', base .. 'lane', 'era') or 0)
local old_era = tonumber(redis.call('HGET', old .. 'lane', 'era') or 0)
-- Half of a hash is what a tombstone has.
local function is_half(half, whole_hash) return half and whole_hash and string.sub(whole_hash, 1, #half - 1) == string.sub(half, 2) end
local same = tombstone and (their_end == tombstone or is_half(tombstone, their_hash))
  or hash and (their_hash == hash or is_half(their_end, hash))
local _, _, _, _, their_sends = marks_of(their_marks)
local gives_way = there and state_in(era, there, their_era) == 'queued' and their_sends == '0' and redis.call('HEXISTS', base .. 'held', key) == 0
if there or their_end then
  if not same then return { 'conflict', key } end
  if not gives_way and state and not held and sends == '0' and state_in(old_era, state, accepted_in) == 'queued' then
    if there then redis.call('RPUSH', base .. 'log:' .. key, '{"at":' .. now .. ',' .. string.sub(ARGV[6], 2)) end
    redis.call('DEL', its, old .. 'body:' .. key, old .. 'log:' .. key)
    for _, set in ipairs(SETS) do redis.call('ZREM', old .. set, key) end
    for at = 7, #ARGV do redis.call('DEL', old .. 'about:' .. ARGV[at]) end
    return { 'moved', there or 'ended' }
  end
  if not gives_way and not (tombstone and their_end == tombstone) then return { 'conflict', key } end
end
for at = 7, #ARGV do
  local thing = ARGV[at]
  local other = redis.call('GET', base .. 'about:' .. thing)
  if not other and thing ~= key and redis.call('EXISTS', base .. 'job:' .. thing) == 1 then other = thing end
  if other and other ~= key then return { 'conflict', other } end
end
local other = redis.call('GET', base .. 'about:' .. key)
if other and other ~= key then return { 'conflict', other } end

if there then
  redis.call('DEL', job, base .. 'body:' .. key, base .. 'log:' .. key)
  for _, set in ipairs(SETS) do redis.call('ZREM', base .. set, key) end
end
for at = 7, #ARGV do
  redis.call('SET', base .. 'about:' .. ARGV[at], key)
  redis.call('DEL', old .. 'about:' .. ARGV[at])
end
if tombstone then
  redis.call('HSET', job, 'z', tombstone)
  redis.call('DEL', its)
  return { 'moved', 'ended' }
end

-- What the old lane's worker may have done with it: it never says so any more. And what that lane's Redis may have forgotten.
local was, lines, numbers = state, {}, {}
for number in string.gmatch(redis.call('HGET', its, 'no') or '', '%S+') do numbers[#numbers + 1] = 'n' .. number end
if claim then
  fence, losses = claim.fence, next_of(losses or '0')
  if claim.call == 'send' then
    state, changed, sent, sends, resends = 'in_doubt', claim.last, claim.last, claim.sends, claim.resends
    first = claim.first ~= sent and claim.first or first
    lines = { intent_line(sent, fence, claim.worker),
      '{"event":"worker_lost","at":' .. now .. ',"fence":' .. fence .. ',"worker":' .. cjson.encode(claim.worker) .. '}' }
  end
else
  state = state_in(old_era, state, accepted_in)
  if state ~= was then
    -- A send that Redis has forgotten: its fence and its time are not known, so they are the highest that they can have been.
    fence = whole(math.max(tonumber(fence), tonumber(now)))
    if sent == '0' then sent = now end
  end
end

redis.call('RENAME', its, job)
for _, part in ipairs({ 'body:', 'log:', 'tell:' }) do
  if redis.call('EXISTS', old .. part .. key) == 1 then redis.call('RENAME', old .. part .. key, base .. part .. key) end
end
redis.call('HSET', job, 's', state, 'm', marks(created, changed, sent, fence, sends))
if losses then redis.call('HSET', job, 'l', losses) end
if resends and resends ~= '0' then redis.call('HSET', job, 'rs', resends) end
if first then redis.call('HSET', job, 't1', first) end
-- The new lane has eras of its own: in this one it is known what the job is.
if era > 0 then redis.call('HSET', job, 'e', era) else redis.call('HDEL', job, 'e') end
lines[#lines + 1] = '{"at":' .. now .. ',' .. string.sub(ARGV[6], 2)
redis.call('RPUSH', base .. 'log:' .. key, unpack(lines))
for _, set in ipairs(SETS) do
  local due = redis.call('ZSCORE', old .. set, key)
  if due then
    if claim and set == 'to_ask' then due = now end
    -- In doubt since this step: looked at, never sent as if it were new.
    local to = set == 'to_send' and state ~= was and 'to_ask' or set
    redis.call('ZADD', base .. to, due, key)
    redis.call('ZREM', old .. set, key)
  end
end
redis.call('HDEL', old .. 'held', key)
-- What its responses are known by: a response to another job that has the same is a mismatch.
for _, number in ipairs(numbers) do
  redis.pcall('HSETNX', base .. 'ids', number, key)
  redis.pcall('HDEL', old .. 'ids', number)
end
if state ~= was then redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'key', key, 'state', state) end
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return { 'moved', state }
