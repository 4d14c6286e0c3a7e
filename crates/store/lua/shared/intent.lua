-- While a send is out its intent stands in the record (`b`, `ts`, `f`, `w`): one write with lease and state. Its line in the
-- log is written by whatever ends the claim, together with what became of it.
local function intent_line(sent, fence, worker)
  return '{"e":"intent","t":' .. (sent or '0') .. ',"f":' .. (fence or '0') .. ',"w":' .. cjson.encode(worker or '') .. '}'
end
