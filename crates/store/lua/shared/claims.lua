-- A claim stands in the lane's `held`, by its job's key, from the step that makes it until the one that ends it; the record is left as
-- it was before. One write for all jobs of a call, and the end needs to read no record: that is what halves the commands.
-- Words: 'send'|'ask', state before, fence, sends, resends, asks, first and last intent to send (ms, 0 = never), created (ms), all
-- with this claim counted in; whether the record has a reason, whether it has a callback URL (0|1 each); whether a late
-- response came in while this claim was out (0|1, 2 = to a send of other content by this key); the claim's token: the worker's name, a slash, and the number of that worker's claim call.
-- A fence is repeated once Redis has lost writes, a token never: only the token says whose a claim is.
local CLAIM = '^(%l+) ([%l_]+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ([01])([01])([012]) (([^/]*)/%d+)$'
-- The claim that stands there beside a record of this fence; nothing when none does, or when the record tells its end.
local function standing(text, fence)
  local call, was, its_fence, sends, resends, _, first, last, _, _, _, late, token, worker = string.match(text or '', CLAIM)
  if not call or tonumber(its_fence) <= tonumber(fence) then return end
  return { call = call, was = was, fence = its_fence, sends = sends, resends = resends, first = first, last = last, late = late, token = token, worker = worker }
end
