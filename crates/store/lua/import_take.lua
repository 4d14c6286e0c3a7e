#!lua flags=allow-oom
-- Removes tasks from a queue of apalis-redis: those that the store has, and the refused ones, which become dead letters.
-- A task whose payload has changed since it was read is left alone: it was removed, and another pushed under its id.
-- KEYS  1 the queue's base; its keys are made from it
-- ARGV  1 our base for the queue, then for each task: id, token, run at (ms), reason of a dead letter ('' = the store has it)
-- Returns {removed, dead letters among them}
local base, ours = KEYS[1], ARGV[1]
local data = base .. 'data'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken, dead_letters = 0, 0

local function is_the_one(id, token)
  if token == '' then return redis.call('HEXISTS', data, id) == 0 end
  local bytes = string.match(token, '^bytes (%d+)$')
  if bytes then return redis.call('HSTRLEN', data, id) == tonumber(bytes) end
  local payload = redis.call('HGET', data, id)
  return payload and redis.sha1hex(payload) == token
end

for at = 2, #ARGV, 4 do
  local id, token, run_at, why = unpack(ARGV, at, at + 3)
  local is_it = is_the_one(id, token)
  local scheduled = is_it and redis.call('ZSCORE', base .. 'scheduled', id)
  if scheduled or (is_it and redis.call('LPOS', base .. 'active', id)) then
    if why ~= '' then
      local number = redis.call('INCR', ours .. 'number')
      local entry = ours .. 'dead_letter:' .. number
      redis.call('HSET', entry, 'id', id, 'why', why, 'at', now, 'run_at', run_at)
      local payload = redis.call('HGET', data, id)
      if payload then redis.call('HSET', entry, 'payload', payload) end
      redis.call('ZADD', ours .. 'dead_letters', number, number)
      dead_letters = dead_letters + 1
    end
    if scheduled then redis.call('ZREM', base .. 'scheduled', id) else redis.call('LREM', base .. 'active', 1, id) end
    redis.call('HDEL', data, id)
    redis.call('DEL', base .. 'meta:' .. id)
    taken = taken + 1
  end
end
return { taken, dead_letters }
