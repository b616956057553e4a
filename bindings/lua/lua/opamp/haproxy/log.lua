-- SPDX-License-Identifier: Apache-2.0
-- luacheck: read globals core

-- What the agent of an HAProxy says in HAProxy's log.

local log = {}

local told -- the last reason

local function write(level, text)
  core.log(level, "opamp: " .. text:gsub("%s*\n%s*", " | "))
end

--- Each new reason once.
function log.tell(why)
  if why ~= told then
    write(core.err, why)
  end
  told = why
end

--- Adds to the handlers of a user, which come first. One for "other" is called
-- as if there were no more.
function log.listen(client, users)
  local function on(kind, handler)
    if users[kind] then
      return
    end
    client:on(kind, handler)
    if users.other then
      client:on(kind, users.other)
    end
  end
  local levels = { error = core.err, warn = core.warning, info = core.info }
  on("log", function(event)
    write(levels[event.level] or core.debug, event.message)
  end)
  on("error", function(event)
    write(core.err, event.traceback or event.error)
  end)
end

return log
