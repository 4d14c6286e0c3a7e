-- While a send is out its claim in `held` is its intent. Its line in the log is written by whatever ends the claim, together with
-- what became of it.
local function intent_line(sent, fence, worker)
  return '{"event":"send_intent","at":' .. sent .. ',"fence":' .. fence .. ',"worker":' .. cjson.encode(worker) .. '}'
end
