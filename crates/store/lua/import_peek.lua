#!lua flags=allow-oom
-- Reads the first waiting tasks of a queue of apalis-redis, due or not, unless another worker has locked it.
-- KEYS  1 the queue's base; its keys are made from it
-- ARGV  1 our base for the queue, 2 worker, 3 time of its lock (ms), 4 tasks at most,
--       5 bytes of one payload at most, 6 bytes of all payloads at which the step ends
-- Returns for each task: {id, run at (ms of its producer's clock), token, bytes of its payload, payload ('' when it is too long)};
--         a task without a payload has -1 bytes
local base, ours, worker = KEYS[1], ARGV[1], ARGV[2]
local limit, longest, enough = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- [id, score, id, score, …]: immediate tasks are in a list, all others are sorted by their time (s).
local waiting = {}
for _, id in ipairs(redis.call('LRANGE', base .. 'active', 0, limit - 1)) do
  waiting[#waiting + 1] = id
  waiting[#waiting + 1] = '0'
end
local left = limit - #waiting / 2
if left > 0 then
  for _, word in ipairs(redis.call('ZRANGE', base .. 'scheduled', 0, left - 1, 'WITHSCORES')) do waiting[#waiting + 1] = word end
end
if #waiting == 0 then return {} end

local lock = redis.call('GET', ours .. 'lock')
if lock and lock ~= worker then return {} end
redis.call('SET', ours .. 'lock', worker, 'PX', ARGV[3])

local tasks, read = {}, 0
for at = 1, #waiting, 2 do
  local id = waiting[at]
  local run_at = string.format('%.0f', math.max(0, math.floor(tonumber(waiting[at + 1]) * 1000)))
  local bytes = redis.call('HSTRLEN', base .. 'data', id)
  if bytes > longest then
    tasks[#tasks + 1] = { id, run_at, 'bytes ' .. bytes, bytes, '' }
  else
    local payload = redis.call('HGET', base .. 'data', id)
    tasks[#tasks + 1] = payload and { id, run_at, redis.sha1hex(payload), bytes, payload } or { id, run_at, '', -1, '' }
    read = read + bytes
  end
  if read >= enough then break end
end
return tasks
