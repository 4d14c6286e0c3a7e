-- A record's marks stand in one field, `m`, for Redis looks for each field by itself: when it was created, last changed and last
-- sent to (ms, 0 = never), its fence and its sends. `submit` writes the first alone.
-- Returns created, changed, sent, fence, sends; nothing when that is not what stands there
local function marks_of(text)
  text = text or ''
  if string.find(text, '^%d+$') then return text, text, '0', '0', '0' end
  return string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
end
local function marks(created, changed, sent, fence, sends)
  return created .. ' ' .. changed .. ' ' .. sent .. ' ' .. fence .. ' ' .. sends
end
