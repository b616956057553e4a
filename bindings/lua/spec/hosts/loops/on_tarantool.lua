-- SPDX-License-Identifier: Apache-2.0

--- The agent in a fiber of Tarantool: tarantool on_tarantool.lua URL HEARTBEAT

local fiber = require("fiber")
local socket = require("socket")
local adapter = require("opamp.tarantool")
local agent = require("agent")

local tell = agent.new(arg[1], arg[2], adapter.attach,
  agent.gate(fiber.cond(), fiber.sleep))

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
