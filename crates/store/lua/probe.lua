#!lua flags=allow-oom
-- Tries commands as the user of this connection, on a key that nothing else uses and that is gone afterwards.
-- KEYS  1 the base of the key
-- ARGV  for each command: the number of words, then the words; KEY among them means the key
-- Returns the names of the commands that this user may not run, or not on this key or channel
local key, refused, at = KEYS[1] .. 'try', {}, 1
local RIGHTS = { 'NOPERM', 'no permissions', "can't run this command", "can't access at least one of the keys", "can't publish" }
while at <= #ARGV do
  local words = { unpack(ARGV, at + 1, at + ARGV[at]) }
  for place, word in ipairs(words) do if word == 'KEY' then words[place] = key end end
  local reply = redis.pcall(unpack(words))
  if type(reply) == 'table' and reply.err then
    for _, text in ipairs(RIGHTS) do
      if string.find(reply.err, text, 1, true) then
        refused[#refused + 1] = words[1]
        break
      end
    end
  end
  at = at + 1 + ARGV[at]
end
redis.pcall('DEL', key)
return refused
