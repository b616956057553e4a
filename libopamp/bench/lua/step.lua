-- SPDX-License-Identifier: Apache-2.0
-- step.lua URL: what a step costs a connected agent that has nothing to do,
-- beside calls that do nothing. Prints names and figures.

local opamp = require("opamp")
local core = require("opamp.core")

local ROUNDS, CALLS = 9, 50000

local client = assert(opamp.new({
  url = arg[1],
  identifying = { ["service.name"] = "bench" },
}))
local delivered = 0
client:on("delivered", function()
  delivered = delivered + 1
end)
assert(client:start())
assert(client:run({
  until_ = function()
    return delivered > 0
  end,
  timeout = 20,
}))

local function empty()
  return 0
end

-- One after the other in each round, so that all meet the same machine. The
-- function is not known to the compiler of LuaJIT when it meets the loop.
local subjects = {
  { "empty_us", empty },
  { "method_us", client.is_closed },
  { "poll_us", core.poll },
  { "step_us", client.step },
}

local function microseconds(call)
  local begun = os.clock()
  for _ = 1, CALLS do
    call(client)
  end
  return (os.clock() - begun) / CALLS * 1e6
end

local found = {}
for round = 0, ROUNDS do -- the first one does not count
  for i, subject in ipairs(subjects) do
    found[i] = found[i] or {}
    found[i][round] = microseconds(subject[2])
  end
end
for i, subject in ipairs(subjects) do
  table.sort(found[i])
  print(subject[1], found[i][(ROUNDS + 1) / 2])
end

-- Bytes that are left behind by each step.
local function garbage()
  collectgarbage()
  collectgarbage("stop")
  local before = collectgarbage("count")
  for _ = 1, CALLS do
    client:step()
  end
  return (collectgarbage("count") - before) * 1024 / CALLS
end

garbage() -- LuaJIT keeps what it compiles
print("garbage", garbage())
client:close()
