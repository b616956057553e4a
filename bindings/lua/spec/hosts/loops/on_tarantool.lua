-- SPDX-License-Identifier: Apache-2.0

--- The agent in a fiber of Tarantool: tarantool on_tarantool.lua URL HEARTBEAT

local fiber = require("fiber")
local socket = require("socket")
local adapter = require("opamp.tarantool")

local resumed, may_go_on = fiber.cond(), false

local tell = require("agent").new(arg[1], arg[2], adapter.attach, {
  check = function() end,
  wait = function()
    fiber.sleep(0.001)
    while not may_go_on do
      resumed:wait()
    end
    may_go_on = false
  end,
  resume = function()
    may_go_on = true
    resumed:signal()
  end,
})

-- What a read leaves is seen by the next wait.
io.stdin:setvbuf("no")

while true do
  socket.iowait(0, "R")
  local line = io.read("*l")
  if not line then
    break
  end
  tell(line)
end
-- Whatever fibers there are, the end of the script is not that of Tarantool.
local left = 0
for _, one in pairs(fiber.info()) do
  left = left + (one.name == "opamp" and 1 or 0)
end
io.stdout:write("fibers ", left, "\n")
os.exit(0)
