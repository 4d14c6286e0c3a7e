#!lua flags=allow-oom
-- Ends a dead letter of a queue for an operator, and records the action.
-- KEYS  1 our base for the queue
-- ARGV  1 number, 2 'submitted'|'dropped', 3 operator and reason, 4 actions kept
-- Returns 1, or 0 when no dead letter has that number
local base, number = KEYS[1], ARGV[1]
local entry = base .. 'dead_letter:' .. number
local id = redis.call('HGET', entry, 'id')
if redis.call('ZREM', base .. 'dead_letters', number) == 0 then return 0 end
redis.call('DEL', entry)
redis.call('XADD', base .. 'actions', 'MAXLEN', '~', ARGV[4], '*', 'number', number, 'id', id or '', 'did', ARGV[2], 'why', ARGV[3])
return 1
