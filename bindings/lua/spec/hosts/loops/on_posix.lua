-- SPDX-License-Identifier: Apache-2.0

--- The agent in the example's loop, around poll(): on_posix.lua URL HEARTBEAT

local read = require("posix.unistd").read
local loop = require("posix_loop")

local tell = require("agent").new(arg[1], arg[2], loop.attach, {
  check = function() end,
})

loop.watch(0, function()
  local text = read(0, 4096)
  if not text or text == "" then
    loop.forget(0)
    return
  end
  for line in text:gmatch("[^\n]+") do
    tell(line)
  end
end)

loop.run()
