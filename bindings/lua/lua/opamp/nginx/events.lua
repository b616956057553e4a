-- SPDX-License-Identifier: Apache-2.0
-- luacheck: std ngx_lua

-- What the agent of an nginx does with its events by itself.

local shared = require("opamp.nginx.shared")

local events = {}

local LEVELS =
  { error = ngx.ERR, warn = ngx.WARN, info = ngx.INFO, debug = ngx.DEBUG }

-- For who has no handler: what all get is in effect.
local function publish(offer, client)
  local ok, why = shared.publish(offer)
  if not ok then
    return offer:reject(why)
  end
  client:set_effective_config(offer.files)
  offer:accept()
end

-- After a reload: what is published is in effect, and need not be offered
-- again.
function events.restore(client, users)
  local files, hash = shared.config()
  if files then
    client:set_remote_config_status(hash, "applied")
    if not users.remote_config then
      client:set_effective_config(files)
    end
  end
end

-- For who applies a configuration himself: all get it when he is done.
local function follow(client)
  local offer
  client:observe("remote_config", function(event)
    offer = event
  end)
  client:observe("remote_config_status", function(event)
    if offer and event.hash == offer.hash and event.status == "applied" then
      local ok, why = shared.publish(offer)
      if not ok then
        client:set_remote_config_status(event.hash, "failed", why)
      end
    end
  end)
end

-- Adds to the handlers of a user.
function events.listen(client, users)
  if not users.log then
    client:observe("log", function(event)
      ngx.log(LEVELS[event.level] or ngx.ERR, "opamp: ", event.message)
    end)
  end
  if not users.error then
    client:observe("error", function(event)
      ngx.log(ngx.ERR, "opamp: ", event.traceback)
    end)
  end
  if not shared.is_open() then
    return
  end
  client:observe("identity", function(event)
    shared.keep_uid(event.instance_uid)
  end)
  if users.remote_config then
    follow(client)
  else
    client:observe("remote_config", publish)
  end
end

return events
