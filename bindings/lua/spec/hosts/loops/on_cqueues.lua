-- SPDX-License-Identifier: Apache-2.0

--- The agent in a controller of cqueues: on_cqueues.lua URL HEARTBEAT

local cqueues = require("cqueues")
local condition = require("cqueues.condition")
local adapter = require("opamp.cqueues")

local controller, resumed, may_go_on = cqueues.new(), condition.new(), false

local tell = require("agent").new(arg[1], arg[2], function(client)
  return adapter.attach(client, controller)
end, {
  check = function() end,
  wait = function()
    cqueues.sleep(0.001)
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
