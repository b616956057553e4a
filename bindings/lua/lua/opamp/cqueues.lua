-- SPDX-License-Identifier: Apache-2.0

--- A client in a cqueues controller.
--
-- Handlers may wait with `cqueues.sleep()`, `cqueues.poll()` and all that is
-- made of them; the connection goes on meanwhile.
-- @module opamp.cqueues

local cqueues = require("cqueues")
local condition = require("cqueues.condition")

local adapter = {}

--- Starts a client, unless it runs, and has a controller drive it.
--
-- A coroutine is added to the controller, which ends when the client has
-- stopped, is closed, or is detached. One that is started again has to be
-- attached again.
-- @param client a client; or a loop, with clients that are started, which is
-- driven until it is closed or detached
-- @param[opt] controller the one that is running, if not given
-- @return a function that detaches, and does nothing the second time; or nil, a
-- message and a code
function adapter.attach(client, controller)
  controller = controller or cqueues.running()
    or error("opamp.cqueues.attach: which controller?", 2)
  local descriptor = { events = "r" }
  local changed = condition.new()
  -- Each step has a coroutine of its own in here, so that a handler that waits
  -- does not keep others from running.
  local steps = cqueues.new()
  local attached = true

  local function detach()
    if attached then
      attached = false
      controller:cancel(descriptor.pollfd)
      changed:signal()
    end
  end

  local fd, message, code = client:attach(detach)
  if not fd then
    return nil, message, code
  end
  descriptor.pollfd = fd

  local function step()
    if attached then
      client:step()
    end
  end

  -- Others may run meanwhile, and detach.
  local function advance()
    local ok, why = steps:step(0)
    if not ok then
      error(why, 0)
    end
  end

  controller:wrap(function()
    while attached do
      steps:wrap(step)
      advance()
      if attached and client:is_over() then
        detach()
      elseif attached then
        descriptor.timeout = client:timeout()
        cqueues.poll(descriptor, steps, changed)
      end
    end
    while not steps:empty() do
      cqueues.poll(steps)
      advance()
    end
  end)
  return detach
end

return adapter
