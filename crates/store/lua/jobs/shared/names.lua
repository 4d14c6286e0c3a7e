-- names
-- A job's keys include its queue's name; all keys of a partition share its hash tag, which is in `base`.
local base, queue = KEYS[1], ARGV[1]
local function job_key(key) return base .. 'job:' .. queue .. ':' .. key end
local function queue_key(name) return base .. name .. ':' .. queue end
