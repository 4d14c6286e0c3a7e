#!lua flags=allow-oom
-- Reads the logs of jobs of one lane, each in one moment: a line moves from the record to the list, and is never seen twice or
-- missed. (In MULTI nothing is read while memory is full.)
-- KEYS  1 the lane's base
-- ARGV  1 the line of the list to begin with, in the manner of LRANGE, then the keys of the jobs
-- Returns for each job {what the record tells: m, t1, x1, … x8, the lines of its list, its claim}
local base, answers = KEYS[1], {}
for at = 2, #ARGV do
  answers[at - 1] = {
    redis.call('HMGET', base .. 'job:' .. ARGV[at], 'm', 't1', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8'),
    redis.call('LRANGE', base .. 'log:' .. ARGV[at], ARGV[1], -1),
    redis.call('HGET', base .. 'held', ARGV[at]),
  }
end
return answers
