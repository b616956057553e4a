-- SPDX-License-Identifier: Apache-2.0

--- The agent in a controller of cqueues: on_cqueues.lua URL HEARTBEAT

local cqueues = require("cqueues")
local condition = require("cqueues.condition")
local adapter = require("opamp.cqueues")
local agent = require("agent")

local controller = cqueues.new()

local tell = agent.new(arg[1], arg[2], function(client)
  return adapter.attach(client, controller)
end, agent.gate(condition.new(), cqueues.sleep))

-- What a read leaves is seen by the next poll.
io.stdin:setvbuf("no")

controller:wrap(function()
  local input = { pollfd = 0, events = "r" }
  while true do
    cqueues.poll(input)
    local line = io.read("*l")
    if not line then
      return
    end
    tell(line)
  end
end)

assert(controller:loop())
