-- A claim stands in the lane's `held`, by its job's key, from the step that makes it until the one that ends it; the record is left as
-- it was before. One write for all jobs of a call, and the end needs to read no record: that is what halves the commands.
-- Words: 'send'|'ask', state before, fence, sends, resends, asks, first and last intent to send (ms, 0 = never), created (ms), all
-- with this claim counted in; whether the record has a reason and a callback URL (0|1 each); the worker's name
local CLAIM = '^(%l+) ([%l_]+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ([01])([01]) (.*)$'
-- The claim that stands there beside a record of this fence; nothing when none does, or when the record tells its end.
local function standing(text, fence)
  local call, was, its_fence, sends, resends, asks, first, last, created, _, _, worker = string.match(text or '', CLAIM)
  if not call or tonumber(its_fence) <= tonumber(fence) then return end
  return { call = call, was = was, fence = its_fence, sends = sends, resends = resends, first = first, last = last, worker = worker }
end
