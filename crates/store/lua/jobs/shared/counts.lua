-- counts
-- Changes of the counts of ended jobs, added up over a call. Lua's numbers are exact up to 2^53, so sums are in two parts.
local PART_DIGITS, PART = 9, 1e9
local count_changes = {}
-- Adds a job to the changes. `sign` is '' or '-', `bucket` is 'HOUR MINUTE STATE', `fen` is its amount.
local function add_to_counts(sign, bucket, fen)
  local change = count_changes[sign .. bucket]
  if not change then
    change = { sign = sign, hour = string.sub(bucket, 1, 13), field = string.sub(bucket, 15), count = 0, high = 0, low = 0 }
    count_changes[sign .. bucket] = change
  end
  change.count = change.count + 1
  if #fen > PART_DIGITS then
    change.high = change.high + string.sub(fen, 1, -PART_DIGITS - 1)
    fen = string.sub(fen, -PART_DIGITS)
  end
  change.low = change.low + fen
end
-- Redis adds in 64 bits. A count that cannot be written keeps no job from its record, and is marked.
local function write_counts(keep_ms)
  for _, change in pairs(count_changes) do
    local name, sign = queue_key('ended') .. ':' .. change.hour, change.sign
    local high = change.high + math.floor(change.low / PART)
    local fen = high > 0 and string.format('%d%09d', high, change.low % PART) or integer(change.low)
    -- An hour whose time has passed stays away.
    if sign == '' or redis.call('EXISTS', name) == 1 then
      local now_there = redis.pcall('HINCRBY', name, change.field, sign .. integer(change.count))
      local total = fen ~= '0' and redis.pcall('HINCRBY', name, change.field .. ' fen', sign .. fen)
      if type(now_there) == 'table' or type(total) == 'table' then redis.pcall('HSET', name, 'inexact', '1')
      elseif sign == '' and now_there == change.count then redis.call('PEXPIRE', name, keep_ms) -- the first of its minute
      elseif sign == '-' and now_there == 0 then redis.call('HDEL', name, change.field, change.field .. ' fen')
      end
    end
  end
end
