-- SPDX-License-Identifier: Apache-2.0

--- A client in a fiber of Tarantool.
--
-- Handlers may wait (`fiber.sleep()`, `net.box`, `box` itself); the connection
-- goes on meanwhile.
-- @module opamp.tarantool

local fiber = require("fiber")
local log = require("log")
local socket = require("socket")

local adapter = {}

-- Clients of which that is done.
local logged = setmetatable({}, { __mode = "k" })

-- What a client logs, and what handlers raise, goes to Tarantool's log.
local function observe(client)
  if logged[client] or not client.observe then
    return
  end
  logged[client] = true
  client:observe("log", function(event)
    local write = log[event.level] or log.info
    write("opamp: %s", event.message)
  end)
  client:observe("error", function(event)
    log.error("opamp: %s", event.traceback)
  end)
end

--- Starts a client, unless it runs, and has a fiber drive it.
--
-- The fiber ends when the client has stopped, is closed, or is detached. One
-- that is started again has to be attached again.
-- @param client a client; or a loop, with clients that are started, which is
-- driven until it is closed or detached
-- @param[opt] options `log`: false if what the client logs, and what handlers
-- raise, is not to go to Tarantool's log, too
-- @return a function that detaches, and does nothing the second time; or nil, a
-- message and a code
function adapter.attach(client, options)
  local attached, waiting = true, false
  local driver

  local function wake()
    if waiting and driver:status() ~= "dead" then
      driver:wakeup()
    end
  end

  local function detach()
    attached = false
    wake()
  end

  local descriptor, message, code = client:attach(detach)
  if not descriptor then
    return nil, message, code
  end
  if not options or options.log ~= false then
    observe(client)
  end

  -- In a fiber of its own, so that a handler that waits keeps nobody else.
  local function step()
    client:step()
    wake()
  end

  local function drive()
    fiber.name("opamp")
    while attached do
      fiber.create(step)
      if client:is_over() then
        attached = false
      elseif attached then
        waiting = true
        socket.iowait(descriptor, "R", client:timeout())
        waiting = false
      end
    end
  end

  driver = fiber.new(drive)
  return detach
end

return adapter
