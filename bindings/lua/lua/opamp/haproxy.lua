-- SPDX-License-Identifier: Apache-2.0
-- luacheck: read globals core

--- One agent for an HAProxy: in its worker, driven by tasks.
-- The file that `lua-load` names runs before HAProxy forks, and before it calls
-- chroot. So what needs files is gathered there, and the client is made in a
-- task.
-- @module opamp.haproxy

local opamp = require("opamp")
local log = require("opamp.haproxy.log")

local haproxy = {}

local RETRY = 2000 -- ms until a client that could not be made is tried again
local LOOK = 1000 -- ms between two looks at whether the process is to end

local agent -- of this Lua state

--- The client; nil until it is made, in a Lua state without one, and when the
-- process is about to end.
function haproxy.client()
  return agent and agent.client
end

-- --- in the tasks ----------------------------------------------------------

local function make()
  local client, why = agent.make()
  if client then
    log.listen(client, agent.on)
    local started
    started, why = client:start()
    if started then
      return client
    end
    client:close()
  end
  log.tell(why)
end

-- A worker that a reload has replaced runs until its last connection ends.
local function is_stopping()
  return (core.get_info().Stopping or 0) ~= 0
end

local function drive(client)
  local left = 0 -- HAProxy makes a table of all it knows: not each time
  while not client:is_closed() do
    agent.is_stepping = true
    local count, why = client:step()
    agent.is_stepping = false
    if not count then
      log.tell(why)
    end
    left = left - agent.interval
    if left <= 0 then
      if is_stopping() then
        return client:close()
      end
      left = LOOK
    end
    core.msleep(agent.interval)
  end
end

local function run()
  local adopted, why = agent.loop:adopt()
  if not adopted then
    agent.is_over = true
    return log.tell(why)
  end
  repeat
    agent.client = make()
    if agent.client then
      drive(agent.client)
    else
      core.msleep(RETRY)
    end
  until agent.client or is_stopping()
  -- Without a good-bye: the agent of the next worker may have the same uid.
  agent.is_over = true
  agent.client = nil
  agent.loop:close()
end

-- A handler may sleep in the task that runs it: meanwhile this one keeps the
-- connection going.
local function assist()
  while not agent.is_over do
    if agent.is_stepping and not agent.client:is_closed() then
      agent.client:step()
    end
    core.msleep(agent.interval)
  end
end

-- --- before the fork -------------------------------------------------------

local function with_loop(conf, loop)
  local new = {}
  for name, value in pairs(conf) do
    new[name] = value
  end
  new.loop = loop
  return new
end

--- Has this HAProxy run an agent; for the file that `lua-load` or
-- `lua-load-per-thread` names. What is wrong with the options, or cannot be
-- read, raises, and so HAProxy does not accept its configuration.
-- @param conf the options of `opamp.new`
-- @param options `interval`: seconds between two steps (0.2)
function haproxy.register(conf, options)
  local interval = options and options.interval or 0.2
  assert(not agent, "opamp.haproxy.register: called twice")
  assert(type(conf) == "table", "opamp.haproxy.register: 'conf': no table")
  assert(
    type(interval) == "number" and interval > 0,
    "opamp.haproxy.register: 'interval': no number above 0"
  )
  if core.thread > 1 then
    return -- the state of another thread has it
  end
  local loop = assert(opamp.loop())
  local planned, why = opamp.prepare(with_loop(conf, loop))
  if not planned then
    error("opamp.haproxy.register: " .. why, 0)
  end
  loop:prepare() -- what is missing is told when it is needed
  agent = {
    make = planned,
    on = conf.on or {},
    loop = loop,
    interval = math.ceil(interval * 1000),
  }
  core.register_task(run)
  core.register_task(assist)
end

return haproxy
