-- SPDX-License-Identifier: Apache-2.0
-- The smallest agent that takes a configuration: first_agent.lua URL

local client = assert(require("opamp").new {
  url = arg[1],
  identifying = { ["service.name"] = "first" },
  capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" },
})
client:on("remote_config", function(event)
  for name, file in pairs(event.files) do
    print(name .. " is now: " .. file.body)
  end
  return "applied"
end)
client:run()
