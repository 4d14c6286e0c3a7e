-- Accepts jobs of one lane: record, content and due time in one step, or what is already there.
-- KEYS  1 the lane's base; every key below is made from it and shares its hash tag
-- ARGV  1 wake channel, 2 lane name, 3 '1' where nothing but its key ever names what a job is about, '' elsewhere, then for each job:
--       key, content hash (32 bytes), content, due (ms of Redis time, 0 = now), about ('' = its key), callback URL ('' = none),
--       traceparent ('' = none)
-- Returns for each job: 'new' | 'existing STATE' | 'conflict KEY', of the first one (its own key when the content differs);
--         the state of a job whose detail has expired is told by its first letter
-- shared: whole.lua
-- shared: marks.lua
-- shared: claims.lua
-- shared: eras.lua
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = whole(now)

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
  if about == '' and ARGV[3] == '1' then return end
  local first = redis.call('GET', base .. 'about:' .. (about ~= '' and about or key))
  if not first and about ~= '' and redis.call('EXISTS', base .. 'job:' .. about) == 1 then first = about end
  return first
end

local era = tonumber(redis.call('HGET', base .. 'lane', 'era') or 0)

-- A job whose send is out is in doubt, though its record still says what it was before.
local function state_of(key, state, accepted_in)
  local claim = redis.call('HGET', base .. 'held', key)
  if claim then
    local _, _, _, fence = marks_of(redis.call('HGET', base .. 'job:' .. key, 'm'))
    claim = standing(claim, fence or 0)
    if claim and claim.call == 'send' then return 'in_doubt' end
  end
  return state_in(era, state, accepted_in)
end

local due_times = {} -- of what is new, with the keys
local function accept(key, hash, content, due, about, callback, trace)
  local job = base .. 'job:' .. key
  local state, had, tombstone, accepted_in = unpack(redis.call('HMGET', job, 's', 'h', 'z', 'e'))
  if tombstone then state, had, hash = string.sub(tombstone, 1, 1), string.sub(tombstone, 2), string.sub(hash, 1, #tombstone - 1) end
  if state then return had == hash and 'existing ' .. state_of(key, state, accepted_in) or 'conflict ' .. key end
  local first = first_about(key, about)
  if first then return 'conflict ' .. first end
  count = 0
  if #content <= PIECE_BYTES * #PIECES then
    for piece = 1, math.ceil(#content / PIECE_BYTES) do put_piece(PIECES[piece], content, piece) end
  else
    redis.call('SET', base .. 'body:' .. key, content)
  end
  for piece = 1, math.ceil(#callback / PIECE_BYTES) do put_piece('cb' .. piece, callback, piece) end
  if era > 0 then more[count + 1], more[count + 2], count = 'e', whole(era), count + 2 end
  if trace ~= '' then more[count + 1], more[count + 2], count = 'tp', trace, count + 2 end
  redis.call('HSET', job, 's', 'queued', 'm', now_text, 'h', hash, unpack(more, 1, count))
  if about ~= '' then redis.call('SET', base .. 'about:' .. about, key) end
  local at = #due_times
  due_times[at + 1], due_times[at + 2] = due == '0' and now_text or whole(math.max(now, tonumber(due))), key
  return 'new'
end

-- A record that is not due is forgotten: before one is written it is known that `to_send` can be, and whatever stops this
-- halfway, a key of a foreign type say, what was accepted until then is due.
redis.call('ZCARD', base .. 'to_send')
local answers = {}
local done, failure = pcall(function()
  for at = 4, #ARGV, 7 do answers[#answers + 1] = accept(unpack(ARGV, at, at + 6)) end
end)
if #due_times > 0 then
  redis.call('ZADD', base .. 'to_send', unpack(due_times))
  redis.pcall('PUBLISH', ARGV[1], ARGV[2])
end
if not done then error(failure) end
return answers
