-- Accepts jobs of one lane: record, content and due time in one step, or what is already there.
-- KEYS  1 the lane's base; every key below is made from it and shares its hash tag
-- ARGV  1 wake channel, 2 lane name, then for each job:
--       key, content hash (32 bytes), content, due (ms of Redis time, 0 = now), about ('' = its key), callback URL ('' = none),
--       traceparent ('' = none)
-- Returns for each job: 'new' | 'existing STATE' | 'conflict KEY', of the first one (its own key when the content differs);
--         the state of a job whose detail has expired is told by its first letter
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = whole(now)
local answers, any_new = {}, false

-- A hash with one value longer than this is stored at several times the size: longer texts are kept in pieces.
local PIECE_BYTES = 64
local PIECES = { '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16' } -- of a content, at most
local more, count = {}, 0 -- the fields that jobs have more or less of; one table for all, for making tables is what costs
local function put_piece(name, text, piece)
  more[count + 1], more[count + 2] = name, string.sub(text, (piece - 1) * PIECE_BYTES + 1, piece * PIECE_BYTES)
  count = count + 2
end

-- What names the thing: the key of another job about it, or the key that is its name.
local function first_about(key, about)
  local first = redis.call('GET', base .. 'about:' .. (about ~= '' and about or key))
  if not first and about ~= '' and redis.call('EXISTS', base .. 'job:' .. about) == 1 then first = about end
  return first
end

-- A job whose send is out is in doubt, though its record still says what it was before.
local function state_of(key, state)
  local claim = redis.call('HGET', base .. 'held', key)
  if not claim then return state end
  local _, _, _, fence = marks_of(redis.call('HGET', base .. 'job:' .. key, 'm'))
  claim = standing(claim, fence or 0)
  return claim and claim.call == 'send' and 'in_doubt' or state
end

for at = 3, #ARGV, 7 do
  local key, hash, content, due, about, callback, trace = unpack(ARGV, at, at + 6)
  local job = base .. 'job:' .. key
  local state, had, tombstone = unpack(redis.call('HMGET', job, 's', 'h', 'z'))
  if tombstone then state, had, hash = string.sub(tombstone, 1, 1), string.sub(tombstone, 2), string.sub(hash, 1, #tombstone - 1) end
  local first = not state and first_about(key, about)
  if state then
    state = state_of(key, state)
    answers[#answers + 1] = had == hash and 'existing ' .. state or 'conflict ' .. key
  elseif first then
    answers[#answers + 1] = 'conflict ' .. first
  else
    -- Due first: it is the only write that a key of a foreign type could stop, and a record without it would be forgotten.
    redis.call('ZADD', base .. 'to_send', due == '0' and now_text or whole(math.max(now, tonumber(due))), key)
    count = 0
    if #content <= PIECE_BYTES * #PIECES then
      for piece = 1, math.ceil(#content / PIECE_BYTES) do put_piece(PIECES[piece], content, piece) end
    else
      redis.call('SET', base .. 'body:' .. key, content)
    end
    for piece = 1, math.ceil(#callback / PIECE_BYTES) do put_piece('cb' .. piece, callback, piece) end
    if trace ~= '' then more[count + 1], more[count + 2], count = 'tp', trace, count + 2 end
    redis.call('HSET', job, 's', 'queued', 'm', now_text, 'h', hash, unpack(more, 1, count))
    if about ~= '' then redis.call('SET', base .. 'about:' .. about, key) end
    answers[#answers + 1] = 'new'
    any_new = true
  end
end
if any_new then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return answers
