-- Numbers go to Redis as text: one that Lua hands over as a number is written and read as a float, at the price of a command.
local function integer(number) return string.format('%d', number) end
-- The next one of a number that is a text: most are the first.
local function next_of(text) return text == '0' and '1' or integer(text + 1) end
