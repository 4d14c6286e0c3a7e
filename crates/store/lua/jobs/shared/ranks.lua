-- ranks
-- Fair order: what is due to be sent stands in `sends` by rank. A job's rank is the queue's virtual time, or its group's last rank where
-- that is higher, and one unit of work more; the virtual time is the rank that was served last. So a group that has much to do stands
-- behind its own jobs and not before others', and nobody waits while a place is free. Only groups with a job in `sends` have a last rank.
local ranks, virtual_time
local function rank_text(rank) return rank % 1 == 0 and integer(rank) or string.format('%.17g', rank) end
local function rank_of(group, step)
  if not ranks then
    ranks, virtual_time = {}, tonumber(redis.call('HGET', KEYS[2], 'virtual_time')) or 0
  end
  local last = ranks[group] or tonumber(redis.call('HGET', queue_key('ranks'), group)) or 0
  local rank = math.max(virtual_time, last) + step
  ranks[group] = rank
  return rank_text(rank)
end
local function keep_ranks()
  local flat = {}
  for group, rank in pairs(ranks or {}) do
    local at = #flat
    flat[at + 1], flat[at + 2] = group, rank_text(rank)
  end
  if #flat > 0 then redis.call('HSET', queue_key('ranks'), unpack(flat)) end
end
