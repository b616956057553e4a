-- SPDX-License-Identifier: Apache-2.0
-- An agent in a program that lives on cqueues, which ticks:
-- cqueues_agent.lua URL
--
-- The server may say how often, in a file "interval", in seconds. Ctrl-C ends
-- it in good order.

local cqueues = require("cqueues")
local condition = require("cqueues.condition")
local signal = require("cqueues.signal")
local opamp = require("opamp")

local client = assert(opamp.new {
  url = assert(arg[1], "usage: cqueues_agent.lua URL"),
  identifying = { ["service.name"] = "cqueues-agent" },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
})
local controller = cqueues.new()

-- The program: at each tick the server is told how many there were.

local interval, changed, running = 1, condition.new(), true

local function set_interval(seconds)
  interval = seconds
  client:set_effective_config { interval = tostring(seconds) }
  changed:signal()
end

set_interval(1)

controller:wrap(function()
  local ticks = 0
  while running do
    if not changed:wait(interval) and running then
      ticks = ticks + 1
      client:set_health { healthy = true, status = "tick " .. ticks }
    end
  end
end)

-- The agent in it.

client:on("remote_config", function(event)
  local file = event.files.interval
  local seconds = file and tonumber(file.body)
  if not seconds or seconds < 0.01 then
    return "failed", "interval: a number of seconds, at least 0.01"
  end
  set_interval(seconds)
  return "applied"
end)
client:on("connect_failed", function(event)
  io.stderr:write(event.text, "\n")
end)

signal.block(signal.SIGINT)
controller:wrap(function()
  signal.listen(signal.SIGINT):wait()
  client:stop()
  running = false
  changed:signal()
end)

require("opamp.cqueues").attach(client, controller)
assert(controller:loop())
