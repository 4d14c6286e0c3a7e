-- Keeps what a gateway has notified an account of: once, however often it is delivered, and every change of it as a further
-- version, with its event. What may not go back is kept all the same, and counts for nothing but an alarm. What was signed too
-- long ago is kept apart: it is the replay of one that was forgotten, or one that a person must look at.
-- KEYS  1 the base of the account's notifications
-- ARGV  1 method, 2 record id ('' = none), 3 hash of the content (hex), 4 content as it was signed, 5 written at (ms,
--       0 = not known), 6 which rule its signature fits, 7 '1' = it stands for good, '0' = it does not, '' = neither is said,
--       8 why a person must look first ('' = nobody need), 9 callback URL ('' = none), 10 view of it: fields of a JSON object
--       after the first, 11 older than this (ms) is late, 12 further ahead than this (ms) is refused, 13 how long all is
--       kept (ms), 14 events kept, 15 kind of the job that it names ('' = none), 16 older than this (ms) is too old,
--       17 how long it is known that there was one whose detail has gone (ms), 18 why a person must look at one that is too old
-- Returns {'new' | 'changed' | 'regressed' | 'again' | 'unlinked' (again, and the job that it names may not know of it) | 'held' |
--         'too_old' (held for that) | 'ahead' | 'too_many', its number (0 = it was not kept)}
local base, method, record, hash, content = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local written, rule, standing, why, callback = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local MAX_VERSIONS = 100 -- of one record: a status moves a few times
local FORGOTTEN_AT_ONCE = 20
if written > now + tonumber(ARGV[12]) then return { 'ahead', 0 } end

-- Everything that is known of one record: its versions by their content, and the newest that counts. What a person must
-- look at first stands apart, so that it comes in anew once it can be read.
local held = why ~= ''
local index, same, newest, stands, versions
local function look()
  index = held and 'held:' .. method .. ':' .. hash or 'of:' .. method .. ':' .. (record ~= '' and record or hash)
  same, newest, stands, versions = unpack(redis.call('HMGET', base .. index, 'h' .. hash, 'at', 'stands', 'n'))
end
look()
local too_old = not same and not held and written > 0 and now - written > tonumber(ARGV[16])
if too_old then
  held, why = true, ARGV[18]
  look()
end
if same then
  local note = base .. 'note:' .. same
  local detail, linked = unpack(redis.call('HMGET', note, 'm', 'ln'))
  if detail then redis.call('HINCRBY', note, 'd', 1) end
  return { too_old and 'too_old' or detail and not linked and ARGV[15] ~= '' and 'unlinked' or 'again', tonumber(same) }
end
versions = (tonumber(versions) or 0) + 1
if versions > MAX_VERSIONS then return { 'too_many', 0 } end

local late = written > 0 and now - written > tonumber(ARGV[11])
local is_newest = written >= (tonumber(newest) or 0)
local regressed = is_newest and stands == '1' and standing ~= '1'
local outcome = held and 'held' or regressed and 'regressed' or versions > 1 and 'changed' or 'new'
local id = redis.call('INCR', base .. 'numbers')
local fields = { 'm', method, 'r', record, 'h', hash, 'b', content, 't', now, 'at', written, 'rule', rule, 'v', versions, 'd', 1, 'o', outcome, 'ix', index }
local function set_field(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
if late then set_field('late', 1) end
if held then set_field('why', why) end
if callback ~= '' and not held then
  set_field('cb1', callback)
  set_field('cn', 1)
end
redis.call('HSET', base .. 'note:' .. id, unpack(fields))
redis.call('HSET', base .. index, 'h' .. hash, id, 'n', versions)
-- It outlives their detail: a replay is recognised, and a record that was final stays final.
redis.call('PEXPIRE', base .. index, string.format('%d', tonumber(ARGV[13]) + tonumber(ARGV[17])))
if is_newest and not regressed and not held then redis.call('HSET', base .. index, 'at', written, 'stands', standing) end
redis.call('ZADD', base .. (held and 'held' or 'notes'), id, id)
local event = { 'notification', id, 'method', method, 'outcome', outcome }
if ARGV[15] ~= '' then event[7], event[8] = 'kind', ARGV[15] end
redis.call('XADD', base .. 'events', 'MAXLEN', '~', ARGV[14], '*', unpack(event))
if callback ~= '' and not held then
  local view = string.format('{"n":1,"t":%d,"note":{"id":%d,"version":%d,"outcome":"%s","late":%s,',
    now, id, versions, outcome, tostring(late))
  redis.call('RPUSH', base .. 'tell:' .. id, view .. ARGV[10] .. '}}')
  redis.call('ZADD', base .. 'to_tell', now, id)
  local prefix, account = string.match(base, '^(.*):{(.*)}:$')
  redis.pcall('PUBLISH', prefix .. ':tell', account)
end

-- Each that comes makes room for itself: what has expired goes, but for what is still to be told.
for _, set in ipairs({ 'notes', 'held' }) do
  for _, old in ipairs(redis.call('ZRANGE', base .. set, 0, FORGOTTEN_AT_ONCE - 1)) do
    local note = base .. 'note:' .. old
    local received, its_hash, its_index = unpack(redis.call('HMGET', note, 't', 'h', 'ix'))
    if received and tonumber(received) > now - tonumber(ARGV[13]) then break end
    if not redis.call('ZSCORE', base .. 'to_tell', old) then
      redis.call('ZREM', base .. set, old)
      redis.call('DEL', note, base .. 'log:' .. old, base .. 'tell:' .. old)
      if its_index and set == 'held' then
        redis.call('HDEL', base .. its_index, 'h' .. its_hash)
        if redis.call('HLEN', base .. its_index) <= 3 then redis.call('DEL', base .. its_index) end -- no version is left
      end
    end
  end
end
return { too_old and 'too_old' or outcome, id }
