-- proposals
-- An action that one operator has proposed, and another one must approve. At most one is open about a job or a queue.
-- `key` is '' for the queue.
local function proposal_key(key) return queue_key('proposal') .. ':' .. key end
local function remove_proposal(key)
  redis.call('DEL', proposal_key(key))
  redis.call('ZREM', base .. 'proposals', queue .. ' ' .. key)
end
