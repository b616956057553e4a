-- SPDX-License-Identifier: Apache-2.0
-- A loop around poll() of luaposix, such as programs have, and an adapter.

local poll = require("posix.poll").poll

-- For each descriptor: what to call when it is readable, or when its time has
-- come; and what to ask for that time.
local loop = { watched = {}, turns = {}, timeouts = {} }

function loop.watch(descriptor, turn, timeout)
  loop.watched[descriptor] = { events = { IN = true } }
  loop.turns[descriptor] = turn
  loop.timeouts[descriptor] = timeout
end

function loop.forget(descriptor)
  loop.watched[descriptor] = nil
  loop.turns[descriptor] = nil
  loop.timeouts[descriptor] = nil
end

-- The milliseconds that it may wait; -1: until a descriptor is readable.
local function shortest()
  local wait = math.huge
  for _, timeout in pairs(loop.timeouts) do
    wait = math.min(wait, timeout() or math.huge)
  end
  return wait < math.huge and math.ceil(wait * 1000) or -1
end

local function is_due(descriptor, ready)
  -- Of a poll that saw nothing this is what was there before.
  local seen = ready > 0 and loop.watched[descriptor].revents
  local timeout = loop.timeouts[descriptor]
  return seen and (seen.IN or seen.HUP) or timeout and timeout() == 0
end

function loop.run()
  while next(loop.watched) do
    local ready = poll(loop.watched, shortest()) or 0 -- nil: a signal came
    local due = {}
    for descriptor, turn in pairs(loop.turns) do
      due[#due + 1] = is_due(descriptor, ready) and turn or nil
    end
    for _, turn in ipairs(due) do
      turn()
    end
  end
end

-- The adapter.
function loop.attach(client)
  local descriptor

  local function detach()
    if descriptor then
      loop.forget(descriptor)
      descriptor = nil
    end
  end

  local function turn()
    if not descriptor then
      return -- detached since it was found due
    end
    client:step()
    if client:is_over() then
      detach()
    end
  end

  descriptor = assert(client:attach(detach))
  loop.watch(descriptor, turn, function()
    return client:timeout()
  end)
  return detach
end

return loop
