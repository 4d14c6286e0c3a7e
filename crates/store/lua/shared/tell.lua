-- What a job's producer is told: its end, and that a person must look. Put down in the same step as the state, so that
-- neither is ever on record without the other.
local TOLD = { needs_review = true, succeeded = true, failed = true, refunded = true, cancelled = true }
local MAX_UNTOLD = 16 -- a job ends once and may be refunded: only a person who orders calls again and again fills it
local function tell(base, key, state, now)
  local job, list = base .. 'job:' .. key, base .. 'tell:' .. key
  local told, gone, marked, asks, numbers, status, reason = unpack(redis.call('HMGET', job, 'cn', 'cx', 'm', 'a', 'no', 'g', 'r'))
  if gone then return end
  local created, _, _, _, sends = marks_of(marked)
  local number = (tonumber(told) or 0) + 1
  local event = { n = number, t = tonumber(now), s = state, c = tonumber(created), sends = tonumber(sends), asks = tonumber(asks),
    no = numbers or nil, g = status or nil, r = reason or nil }
  local untold = redis.pcall('RPUSH', list, cjson.encode(event))
  if type(untold) ~= 'number' then return end -- a list of a foreign type must not keep the state from the record
  redis.call('HSET', job, 'cn', number)
  if untold > MAX_UNTOLD then
    -- The oldest but the one that may be under way: a review, for ends come last.
    local is_event, dropped = pcall(cjson.decode, redis.call('LINDEX', list, 1))
    local what = is_event and string.format(',"sequence":%d,"state":"%s"', dropped.n, dropped.s) or ''
    redis.pcall('RPUSH', base .. 'log:' .. key, '{"event":"delivery","at":' .. now .. ',"outcome":"dropped"' .. what .. '}')
    redis.call('LSET', list, 1, '')
    redis.call('LREM', list, 1, '')
  end
  redis.pcall('ZADD', base .. 'to_tell', 'NX', now, key) -- one that waits or is under way keeps its time
  local prefix, lane = string.match(base, '^(.*):{(.*)}:$')
  redis.pcall('PUBLISH', prefix .. ':tell', lane)
end
