-- SPDX-License-Identifier: Apache-2.0
-- An agent in a program that has its own loop, beside this file:
-- posix_agent.lua URL
--
-- What is typed becomes the status of its health; the end of the input ends it.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local loop = require("posix_loop")
local opamp = require("opamp")
local read = require("posix.unistd").read

local client = assert(opamp.new {
  url = assert(arg[1], "usage: posix_agent.lua URL"),
  identifying = { ["service.name"] = "posix-agent" },
})

loop.watch(0, function()
  local typed = read(0, 4096)
  if typed and typed ~= "" then
    client:set_health { healthy = true, status = typed:match("[^\n]*") }
  else
    loop.forget(0)
    client:stop()
  end
end)

loop.attach(client)
loop.run()
