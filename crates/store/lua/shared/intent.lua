-- While a send is out its intent stands in the record (`m`, `w`): one write with lease and state. Its line in the
-- log is written by whatever ends the claim, together with what became of it.
local function intent_line(sent, fence, worker)
  return '{"e":"intent","t":' .. sent .. ',"f":' .. fence .. ',"w":' .. cjson.encode(worker or '') .. '}'
end
