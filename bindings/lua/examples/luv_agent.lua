-- SPDX-License-Identifier: Apache-2.0
-- An agent in a program that lives on luv, which ticks: luv_agent.lua URL
--
-- The server may say how often, in a file "interval", in milliseconds. Ctrl-C
-- ends it in good order.

local opamp = require("opamp")
local uv = require("luv")

local client = assert(opamp.new {
  url = assert(arg[1], "usage: luv_agent.lua URL"),
  identifying = { ["service.name"] = "luv-agent" },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
})

-- The program: at each tick the server is told how many there were.

local ticks, ticker = 0, uv.new_timer()

local function tick()
  ticks = ticks + 1
  client:set_health { healthy = true, status = "tick " .. ticks }
end

local function set_interval(ms)
  ticker:start(ms, ms, tick)
  client:set_effective_config { interval = tostring(ms) }
end

set_interval(1000)

-- The agent in it.

client:on("remote_config", function(event)
  local file = event.files.interval
  local ms = file and tonumber(file.body)
  if not ms or ms < 10 then
    return "failed", "interval: a number of milliseconds, at least 10"
  end
  set_interval(ms)
  return "applied"
end)
client:on("connect_failed", function(event)
  io.stderr:write(event.text, "\n")
end)

local interrupt = uv.new_signal()
interrupt:start("sigint", function()
  client:stop()
  -- What keeps the loop running; the client goes when it has stopped.
  ticker:close()
  interrupt:close()
end)

require("opamp.luv").attach(client)
uv.run()
