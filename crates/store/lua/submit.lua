-- Accepts jobs of one lane: record, body and due time in one step, or what is already there.
-- KEYS  1 the lane's base; every key below is made from it and shares its hash tag
-- ARGV  1 wake channel, 2 lane name, then for each job:
--       key, content hash (32 bytes), content, due (ms of Redis time, 0 = now), about ('' = its key), callback URL ('' = none)
-- Returns for each job: {'new'} | {'existing', state} | {'conflict', key of the first} (its own key when the content differs)
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers, any_new = {}, false
for at = 3, #ARGV, 6 do
  local key, hash, content, due, about, callback = unpack(ARGV, at, at + 5)
  local record = redis.call('HMGET', base .. 'job:' .. key, 's', 'h')
  local first = about ~= '' and redis.call('GET', base .. 'about:' .. about)
  if record[1] then
    answers[#answers + 1] = record[2] == hash and { 'existing', record[1] } or { 'conflict', key }
  elseif first then
    answers[#answers + 1] = { 'conflict', first }
  else
    redis.call('HSET', base .. 'job:' .. key, 's', 'queued', 'h', hash, 'c', now)
    if callback ~= '' then redis.call('HSET', base .. 'job:' .. key, 'cb', callback) end
    redis.call('SET', base .. 'body:' .. key, content)
    if about ~= '' then redis.call('SET', base .. 'about:' .. about, key) end
    redis.call('ZADD', base .. 'to_send', math.max(now, tonumber(due)), key)
    answers[#answers + 1] = { 'new' }
    any_new = true
  end
end
if any_new then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return answers
