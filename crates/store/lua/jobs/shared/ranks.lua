-- ranks
-- Fair order: jobs that are due to be sent are in `sends` by rank. A job's rank is the queue's virtual time, or its group's last rank where
-- that is higher, and one unit of work more; the virtual time is the rank that was served last. So a group with many jobs waits behind
-- its own and not before others', and no job waits while a place is free. A last rank that is no higher than the virtual time decides
-- nothing, so `last_ranks` has those of groups with a job in `sends` alone.
local ranks, rank_texts = {}, {}
local function rank_text(rank)
  local text = rank_texts[rank]
  if not text then
    text = rank % 1 == 0 and integer(rank) or string.format('%.17g', rank)
    rank_texts[rank] = text
  end
  return text
end
-- Reads the last ranks of these groups, each named once. It is called once, before any job is ranked.
local function read_ranks(groups, virtual_time)
  virtual_time = tonumber(virtual_time) or 0
  local last = redis.call('ZMSCORE', queue_key('last_ranks'), unpack(groups))
  for at = 1, #groups do ranks[groups[at]] = math.max(virtual_time, tonumber(last[at] or 0)) end
end
local function rank_of(group, step)
  local rank = ranks[group] + step
  ranks[group] = rank
  return rank_text(rank)
end
local function keep_ranks(groups)
  local flat = {}
  for at = 1, #groups do flat[2 * at - 1], flat[2 * at] = rank_text(ranks[groups[at]]), groups[at] end
  redis.call('ZADD', queue_key('last_ranks'), unpack(flat))
end
