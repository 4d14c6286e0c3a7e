-- Numbers go to Redis as text: one that Lua hands over as a number is written and read as a float, at the price of a command.
local function whole(number) return string.format('%d', number) end
