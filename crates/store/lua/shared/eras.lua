-- An era of a lane ends when Redis is found to have lost writes; a record has the era in which it was accepted (`e`, absent for the
-- first). Numbers are compared and never times: a clock that was set back must not make a lost send certain.
-- The state of a job whose record says `state`: what was queued in an earlier era may have been sent, and Redis has forgotten it.
local function state_in(era, state, accepted_in)
  if state == 'queued' and (tonumber(accepted_in) or 0) < era then return 'in_doubt' end
  return state
end
-- Begins the next era. `epoch` is above all epochs that anybody has seen.
local function begin_era(base, era, epoch, events_kept)
  redis.call('HSET', base .. 'lane', 'e', epoch, 'era', era + 1)
  redis.call('XADD', base .. 'events', 'MAXLEN', '~', events_kept, '*', 'lane', 'lost_writes')
  return era + 1
end
