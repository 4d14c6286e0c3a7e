-- entries
-- Claims of jobs and of webhook deliveries are taken alike: each has its entry, with the entry of the lost claim before
-- it, and its lease end as its due time. Both are written first: an error in between, from a key of a foreign type,
-- leaves a job due, never claimed and forgotten.
local MAX_ENTRY = 4096 -- so many claims were lost without a decision about the job that it seems to kill its workers
local leases, entries, entry_count, whole_entries = {}, {}, 0, {}
-- The beginning of the entries of one call.
local function entry_of(token, call, now, fence)
  return '{"claim":' .. token .. ',"call":"' .. call .. (fence and '","fence":' .. fence .. ',"at":' or '","at":') .. now
end
local function add_claim(key, entry, lost_claim, lease_end)
  local claim = whole_entries[entry] -- most are alike, and a text costs its length
  if lost_claim then
    claim = entry .. ',"after":' .. lost_claim .. '}'
  elseif not claim then
    claim = entry .. '}'
    whole_entries[entry] = claim
  end
  local place = 2 * entry_count
  leases[place + 1], leases[place + 2] = lease_end, key
  entries[place + 1], entries[place + 2] = key, claim
  entry_count = entry_count + 1
  return claim
end
local function keep_claims(due_set, claims)
  if entry_count > 0 then
    redis.call('ZADD', queue_key(due_set), unpack(leases))
    redis.call('HSET', queue_key(claims), unpack(entries))
  end
end
