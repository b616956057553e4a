-- SPDX-License-Identifier: Apache-2.0
-- An agent in Tarantool, whose log the server may change:
-- tarantool tarantool_agent.lua URL
--
-- The file "log_level" that it takes is a number from 1 to 7. Ctrl-C ends it in
-- good order.

local fiber = require("fiber")
local log = require("log")
local opamp = require("opamp")

local client = assert(opamp.new {
  url = assert(arg[1], "usage: tarantool_agent.lua URL"),
  identifying = {
    ["service.name"] = "tarantool",
    ["service.version"] = require("tarantool").version,
  },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
})

local function show()
  client:set_effective_config { log_level = tostring(log.cfg.level) }
end

client:on("remote_config", function(event)
  local file = event.files.log_level
  local level = file and file.body:match("^%s*([1-7])%s*$")
  if not level then
    return "failed", "log_level: a number from 1 to 7"
  end
  log.cfg { level = tonumber(level) }
  show()
  return "applied"
end)

show()
client:set_health { healthy = true, status = "running" }
local detach = require("opamp.tarantool").attach(client)

-- What an instance does when it is told to end; it waits for this function.
local stopped = fiber.cond()
client:on("stopped", function()
  stopped:broadcast()
end)
box.ctl.on_shutdown(function()
  client:stop()
  if client:state() ~= "stopped" then
    stopped:wait(3)
  end
  detach()
end)
