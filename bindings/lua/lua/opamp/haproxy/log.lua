-- SPDX-License-Identifier: Apache-2.0
-- luacheck: read globals core

-- What the agent of an HAProxy says in HAProxy's log.

local log = {}

local told -- the last reason

local function write(level, text)
  core.log(level, "opamp: " .. text:gsub("%s*\n%s*", " | "))
end

-- Each new reason once.
function log.tell(why)
  if why ~= told then
    write(core.err, why)
  end
  told = why
end

-- Has what the client says logged, but for what a user has handlers for.
function log.listen(client, users)
  local levels = { error = core.err, warn = core.warning, info = core.info }
  if not users.log then
    client:observe("log", function(event)
      write(levels[event.level] or core.debug, event.message)
    end)
  end
  if not users.error then
    client:observe("error", function(event)
      write(core.err, event.traceback)
    end)
  end
end

return log
