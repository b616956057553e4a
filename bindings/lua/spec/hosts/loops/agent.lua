-- SPDX-License-Identifier: Apache-2.0

--- The agent that all loops have, and what it does when it is told to.

local opamp = require("opamp")

local agent = { steps = 0 }

local function say(...)
  io.stdout:write(table.concat({ ... }, " "), "\n")
  io.stdout:flush()
end

--- The client as an adapter gets it: it counts steps.
local function counted(client)
  local function method(_, name)
    return function(_, ...)
      return client[name](client, ...)
    end
  end
  local self = setmetatable({}, { __index = method })
  function self.step()
    agent.steps = agent.steps + 1
    return client:step()
  end
  return self
end

local function new_client(url, heartbeat)
  return assert(opamp.new {
    url = url,
    identifying = { ["service.name"] = "loop" },
    capabilities = {
      "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
    },
    heartbeat = tonumber(heartbeat),
    poll_interval = 0.05,
  })
end

local function on_remote_config(event, client, api)
  local body = event.files.app.body
  api.check()
  if body:match("^wait") then
    say("waiting")
    api.wait()
  end
  if body:match("fail") then
    error("it failed", 0)
  end
  if body:match("^close") then
    client:close()
    return
  end
  client:set_effective_config { app = body }
  say("applied", body)
  return "applied"
end

--- For `new`: has a handler pause, and then wait for a condition of its host.
function agent.gate(condition, pause)
  local may_go_on = false
  return {
    check = function() end,
    wait = function()
      pause(0.001)
      while not may_go_on do
        condition:wait()
      end
      may_go_on = false
    end,
    resume = function()
      may_go_on = true
      condition:signal()
    end,
  }
end

--- `attach(client)` is the adapter's. `api` has what a handler may need there:
-- wait() suspends it until resume() is called, check() is called in it.
function agent.new(url, heartbeat, attach, api)
  local client, driven, detach, again

  local commands = {
    new = function()
      client = new_client(url, heartbeat)
      driven = counted(client)
      client:on("remote_config", function(event)
        return on_remote_config(event, client, api)
      end)
      client:on("error", function(event)
        say("error", event.error)
      end)
      client:on("stopped", function()
        say("stopped")
        if again then
          again = false
          detach = attach(driven)
        end
      end)
    end,
    start = function()
      detach = attach(driven)
    end,
    again = function()
      again = true
      client:stop()
    end,
    health = function(text)
      client:set_health { healthy = true, status = text }
    end,
    steps = function()
      say("steps", agent.steps)
    end,
    stop = function()
      client:stop()
    end,
    detach = function()
      detach()
      detach()
      say("detached")
    end,
    close = function()
      client:close()
      say("closed")
    end,
    resume = api.resume,
  }
  commands.new()

  --- Does what a line says.
  return function(line)
    local name, rest = line:match("^(%S+) ?(.*)$")
    commands[name](rest)
  end
end

return agent
