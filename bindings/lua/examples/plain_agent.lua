-- SPDX-License-Identifier: Apache-2.0
-- An agent in a plain script, which does something else from time to time:
-- plain_agent.lua URL
--
-- Its settings are lines "name = number". Ctrl-C ends it in good order.

local opamp = require("opamp")

local settings = { interval = 1, limit = 1000000 }

local client = assert(opamp.new {
  url = assert(arg[1], "usage: plain_agent.lua URL"),
  identifying = { ["service.name"] = "plain-agent" },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
})

-- A changed copy of the settings; nil and a text when anything is wrong.
local function changed(text)
  local copy = {}
  for name, value in pairs(settings) do
    copy[name] = value
  end
  for line in text:gmatch("[^\n]+") do
    local name, value = line:match("^%s*(%w+)%s*=%s*(%S+)%s*$")
    if not name or not copy[name] or not tonumber(value) then
      return nil, "not understood: " .. line
    end
    copy[name] = tonumber(value)
  end
  return copy
end

local function show()
  local lines = {}
  for name, value in pairs(settings) do
    lines[#lines + 1] = ("%s = %s\n"):format(name, value)
  end
  table.sort(lines)
  client:set_effective_config { ["plain.conf"] = table.concat(lines) }
end

client:on("remote_config", function(event)
  local file = event.files["plain.conf"]
  local new, wrong = changed(file and file.body or "nothing")
  if not new then
    return "failed", wrong
  end
  settings = new
  show()
  return "applied"
end)
client:on("connect_failed", function(event)
  io.stderr:write(event.text, "\n")
end)

local function work()
  for count = 1, settings.limit do
    client:set_health { healthy = true, status = "run " .. count }
    client:run { timeout = settings.interval }
  end
end

show()
local ok, why = pcall(work) -- Ctrl-C is an error, "interrupted!"
client:stop { wait = 2 } -- until it has said good-bye
if not ok and not tostring(why):find("interrupted!", 1, true) then
  error(why, 0)
end
