-- SPDX-License-Identifier: Apache-2.0
-- resident.lua [MODULE [URL [CA]]]: a Lua that does nothing else than to have
-- the module, or one client that is connected, and that knows an authority
-- beside the system's. Says when it is ready to be looked at, and ends with its
-- standard input.

local client
if arg[1] then
  local opamp = require(arg[1])
  if arg[2] then
    local delivered = false
    client = assert(opamp.new({
      url = arg[2],
      tls = arg[3] and { ca = arg[3], system_ca = true },
      identifying = { ["service.name"] = "bench" },
      on = {
        delivered = function()
          delivered = true
        end,
      },
    }))
    assert(client:run({
      until_ = function()
        return delivered
      end,
      timeout = 20,
    }))
  end
end
collectgarbage()
collectgarbage()
print("ready")
io.stdout:flush()
io.read("*l")
assert(not client or client:counters().messages_sent == 1)
