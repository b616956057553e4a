-- SPDX-License-Identifier: Apache-2.0
-- luacheck: read globals core

-- HAProxy as an agent. The file "settings" of the remote configuration has
-- lines of a name and a value. They go into the map settings.map, which all
-- rules of haproxy.cfg, and all threads, can ask.

local haproxy = require("opamp.haproxy")

local MAP = "settings.map"

local function parse(text)
  local settings = {}
  for line in text:gmatch("[^\r\n]+") do
    local name, value = line:match("^(%S+)%s+(.+)$")
    if not name then
      return nil, "settings: no value: " .. line
    end
    settings[name] = value
  end
  return settings
end

local current = {}

local function apply(event, client)
  local file = event.files.settings
  local settings, why = parse(file and file.body or "")
  if not settings then
    return "failed", why
  end
  for name in pairs(current) do
    if not settings[name] then
      core.del_map(MAP, name)
    end
  end
  for name, value in pairs(settings) do
    core.set_map(MAP, name, value)
  end
  current = settings
  client:set_effective_config({ settings = file and file.body or "" })
  return "applied"
end

haproxy.register({
  url = os.getenv("OPAMP_URL") or "ws://127.0.0.1:4320/v1/opamp",
  tls = { ca = os.getenv("OPAMP_CA") }, -- nil: the authorities of the system
  -- The same agent after a reload; else each worker is a new one.
  state_dir = os.getenv("OPAMP_STATE_DIR"),
  identifying = { ["service.name"] = "haproxy" },
  capabilities = {
    "AcceptsRemoteConfig",
    "ReportsRemoteConfig",
    "ReportsEffectiveConfig",
  },
  on = {
    remote_config = apply,
    connecting = function(_, client)
      client:set_health({ healthy = true, status = "running" })
    end,
  },
})
