-- SPDX-License-Identifier: Apache-2.0

--- A client in luv's loop, which is also Neovim's.
--
-- Handlers run in a coroutine and may yield; what they waited for has to resume
-- it. In Neovim they run where its whole API may be used.
-- @module opamp.luv

local luv = {}

local function at_once(work)
  work()
end

-- luv, and what brings work from its callbacks to where it may be done.
local function library()
  local vim = rawget(_G, "vim")
  if vim and vim.loop then
    return vim.uv or vim.loop, vim.schedule
  end
  return require("luv"), at_once
end

--- Starts a client, unless it runs, and has luv's loop drive it.
--
-- This keeps `uv.run()` from returning until the client has stopped, is closed,
-- or is detached. One that is started again has to be attached again.
-- @param client a client; or a loop, with clients that are started, which is
-- driven until it is closed or detached
-- @return a function that detaches, and does nothing the second time; or nil, a
-- message and a code
function luv.attach(client)
  local uv, schedule = library()
  local attached = true
  local poll, timer, wake

  local function detach()
    if attached then
      attached = false
      poll:close()
      timer:close()
    end
  end

  local descriptor, message, code = client:attach(detach)
  if not descriptor then
    return nil, message, code
  end
  poll = assert(uv.new_poll(descriptor))
  timer = assert(uv.new_timer())

  -- Waits for the next time, unless there will be none.
  local function watch()
    if not attached then
      return
    elseif client:is_over() then
      return detach()
    end
    local seconds = client:timeout()
    if seconds then
      -- Not 0: luv's timers would have their turn again before all else.
      timer:start(math.max(1, math.ceil(seconds * 1000)), 0, wake)
    end
    poll:start("r", wake)
  end

  local function turn()
    if not attached then
      return
    end
    local thread = coroutine.create(client.step)
    local ok, why = coroutine.resume(thread, client)
    watch()
    if not ok then
      error(debug.traceback(thread, why), 0)
    end
  end

  -- The descriptor stays readable until the step is done, which in Neovim may
  -- take a while: meanwhile the loop looks away.
  function wake()
    poll:stop()
    timer:stop()
    schedule(turn)
  end

  watch()
  return detach
end

return luv
