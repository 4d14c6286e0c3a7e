-- entries
-- Claims are taken alike, of jobs and of webhook deliveries: each has its entry, with the entry of the claim before it that was lost, and
-- its lease among what is due. Both are written before all else: an error in between, from a key of a foreign type, leaves what comes due,
-- never what was taken and forgotten.
local MAX_ENTRY = 4096 -- so many claims were lost without anybody deciding about the job that its readers die of it
local leases, entries, entry_count, whole_entries = {}, {}, 0, {}
-- How the entries of one call begin.
local function entry_of(token, call, now, fence)
  return '{"claim":' .. token .. ',"call":"' .. call .. (fence and '","fence":' .. fence .. ',"at":' or '","at":') .. now
end
local function add_claim(key, entry, lapsed, lease_end)
  local claim = whole_entries[entry] -- most are alike, and a text costs its length
  if lapsed then
    claim = entry .. ',"after":' .. lapsed .. '}'
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
