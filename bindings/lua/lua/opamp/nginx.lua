-- SPDX-License-Identifier: Apache-2.0
-- luacheck: std ngx_lua

--- One agent for an nginx: in one of its processes, driven by a timer.
-- @module opamp.nginx

local opamp = require("opamp")
local events = require("opamp.nginx.events")
local process = require("ngx.process")
local shared = require("opamp.nginx.shared")

local nginx = {}

local GOODBYE, PAUSE = 1, 0.02 -- seconds: for all of it, and at a time

local is_privileged = false -- found out in the master
local agent -- in the process that has it

--- Has nginx make a privileged agent, in which ours will run; for init_by_lua.
-- Where that is not possible, as in Debian's nginx, ours runs in a worker.
-- @return whether it worked, and why not
function nginx.enable_privileged_agent()
  local ok, why = process.enable_privileged_agent()
  is_privileged = ok and true or false
  return is_privileged, why
end

--- The configuration that was applied last; for all workers and phases.
-- @return its files, as the event `remote_config` has them, not to be changed;
-- nil when there is none, or no dict
-- @return its hash
-- @function config
nginx.config = shared.config

--- The client, once it is there, in the process that has it; else nil.
function nginx.client()
  return agent and agent.client
end

-- Once for each thing that is wrong, not once for each tick.
local function complain(why, level)
  if why ~= agent.complaint then
    agent.complaint = why
    ngx.log(level or ngx.ERR, "opamp: ", why)
  end
end

-- May fail, and is tried again: a worker that ends may still hold `state_dir`.
local function create()
  local conf = agent.conf
  local uid = agent.keeps_uid and shared.uid()
  if uid then
    conf.instance_uid, conf.request_instance_uid = uid, false
  end
  agent.is_over = true -- if this raises, it always will
  local client, why, code = opamp.new(conf)
  agent.is_over = false
  if not client then
    return complain(why, code == "busy" and ngx.NOTICE)
  end
  events.listen(client, conf.on or {})
  if agent.keeps_uid and not conf.request_instance_uid then
    shared.keep_uid(client:instance_uid())
  end
  if agent.forgets then
    events.restore(client, conf.on or {})
  end
  local started, failure = client:start()
  agent.client = started and client or complain(failure)
end

-- Requests that the worker has begun to serve go on meanwhile.
local function stop_among_others(client)
  local rounds = GOODBYE / PAUSE
  client:stop()
  while rounds > 0 and not client:is_closed() and client:state() ~= "stopped" do
    client:step()
    ngx.sleep(PAUSE)
    rounds = rounds - 1
  end
end

local function finish(stop)
  local client = agent and agent.client
  if not client or agent.is_over then
    return
  end
  agent.is_over = true
  if agent.disconnects and not shared.is_succeeded() then
    stop(client)
  end
  client:close()
end

local function tick(premature)
  if premature then
    return finish(stop_among_others)
  elseif not agent.client and not agent.is_over then
    create()
  end
  if agent.client and not agent.client:is_closed() then
    local ok, why = agent.client:step()
    if not ok then
      complain(why)
    end
  end
end

--- Starts the agent, in one process of all that call this; for
-- init_worker_by_lua.
-- @param conf options of `opamp.new`, with handlers in `on`
-- @param options `interval`: seconds between two looks at the network, 0.2;
-- `dict`: a lua_shared_dict for what all workers and the next ones should
-- know; `disconnect_on_exit`: whether the server is told of an exit, false
-- @return true; or nil and why not
function nginx.start(conf, options)
  if type(conf) ~= "table" then
    error("opamp.nginx.start: conf must be a table, not " .. type(conf), 2)
  end
  options = options or {}
  if options.dict and not shared.open(options.dict) then
    error(("opamp.nginx.start: options.dict: there is no lua_shared_dict %q")
      :format(options.dict), 2)
  end
  local is_here = ngx.worker.id() == 0
  if is_privileged then
    is_here = process.type() == "privileged agent"
  end
  if not is_here then
    return true
  end
  agent = { conf = {}, disconnects = options.disconnect_on_exit }
  for name, value in pairs(conf) do
    agent.conf[name] = value
  end
  agent.forgets = not (conf.state_dir or conf.store)
  agent.keeps_uid = agent.forgets and options.dict and not conf.instance_uid
  shared.own()
  return ngx.timer.every(options.interval or 0.2, tick)
end

--- Ends the agent, as an exit does, where nginx gives timers no time: for
-- exit_worker_by_lua.
function nginx.stop()
  finish(function(client)
    client:stop({ wait = GOODBYE })
  end)
end

return nginx
