-- SPDX-License-Identifier: Apache-2.0
-- luacheck: std ngx_lua

-- What the processes of an nginx know of their agent: a `lua_shared_dict`,
-- which outlives them.

local opamp = require("opamp")

local shared = {}

-- Each version of the configuration has a key of its own, so that a new one
-- which does not fit leaves the old one alone.
local UID, OWNER = "opamp:instance_uid", "opamp:owner"
local VERSION, CONFIG = "opamp:version", "opamp:config:"

local dict
local known = {} -- the configuration that is decoded already

-- Takes a dict of nginx.conf; false when there is none of that name.
function shared.open(name)
  dict = ngx.shared[name]
  return dict ~= nil
end

-- Whether there is one.
function shared.is_open()
  return dict ~= nil
end

-- Makes an offer the configuration of all processes.
function shared.publish(offer)
  local last = dict:get(VERSION) or 0
  local ok, why = opamp.encode("AgentRemoteConfig",
    { files = offer.files, hash = offer.hash })
  if ok then
    ok, why = dict:safe_set(CONFIG .. last + 1, ok)
  end
  if ok then
    ok, why = dict:safe_set(VERSION, last + 1)
  end
  if not ok then
    return nil, "lua_shared_dict: " .. why
  end
  dict:delete(CONFIG .. last)
  return true
end

-- The files and the hash of the configuration; nil when there is none.
function shared.config()
  local version = dict and dict:get(VERSION)
  if version and version ~= known.version then
    local packed = dict:get(CONFIG .. version)
    if packed then
      local config = opamp.decode("AgentRemoteConfig", packed)
      known = { version = version, hash = config.hash or "",
        files = config.files or {} }
    elseif dict:get(VERSION) ~= version then
      return shared.config() -- it was replaced just now
    end
  end
  return known.files, known.hash
end

-- The identity that an agent had before a reload, if any.
function shared.uid()
  return dict and dict:get(UID)
end

function shared.keep_uid(uid)
  return dict:safe_set(UID, uid)
end

-- This process has the agent from now on.
function shared.own()
  return dict and dict:set(OWNER, ngx.worker.pid())
end

-- Whether another process has it by now.
function shared.is_succeeded()
  return dict and dict:get(OWNER) ~= ngx.worker.pid()
end

return shared
