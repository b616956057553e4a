-- SPDX-License-Identifier: Apache-2.0

--- The clients of a spec: made, driven, watched, and all closed at its end.

local core = require("opamp.core")
local opamp = require("opamp")
local shell = require("support.shell")

local agents = {
  -- A URL that is as good as any, where nobody listens.
  NOWHERE = "ws://127.0.0.1:1/v1/opamp",
}

local open = {}
local idle -- waits when there is no client

--- A client, which is closed at the end of the test.
function agents.new(options)
  local client = assert(opamp.new(options))
  open[#open + 1] = client
  return client
end

--- A client of a server, over `options.scheme` or ws, that polls often over
-- http; closed at the end of the test.
function agents.at(server, options)
  options.url = options.url or server:url(options.scheme)
  options.scheme = nil
  options.poll_interval = 0.05
  return agents.new(options)
end

--- What opamp.new returns, which may be a client of a server that is not there.
function agents.try(options)
  options.url = options.url or agents.NOWHERE
  local client, message, code = opamp.new(options)
  return client and agents.own(client), message, code
end

--- Closes it at the end of the test; returns it.
function agents.own(closable)
  open[#open + 1] = closable
  return closable
end

--- Closes all of them: for `after_each`.
function agents.close()
  for i = #open, 1, -1 do
    open[i]:close()
    open[i] = nil
  end
end

local function list_of(driven)
  if type(driven) == "table" then
    return driven
  end
  return { driven }
end

local function wait(clients, slice)
  for _, client in ipairs(clients) do
    if not client:is_closed() then
      core.wait(client, slice)
      return
    end
  end
  idle = idle or assert(opamp.loop())
  core.wait(idle, slice)
end

--- Steps the clients or loops in `driven`, one or a list, until `done()` is
-- true. `what` says what is missing when that takes too long: a text, or a
-- function that gives one. `busy`: something besides the clients may make it
-- true.
function agents.drive(driven, done, what, busy)
  local clients = list_of(driven)
  local deadline = core.now() + shell.patience
  local slice = (busy or #clients > 1) and 0.005 or 1
  while true do
    for _, client in ipairs(clients) do
      if not client:is_closed() then
        assert(client:step())
      end
    end
    if done() then
      return
    end
    if core.now() > deadline then
      error("the patience is over: "
        .. (type(what) == "function" and what() or tostring(what)), 2)
    end
    wait(clients, slice)
  end
end

--- The text of its instance uid.
function agents.uid(client)
  return opamp.uid_text(client:instance_uid())
end

--- Starts a client and waits until the server has answered its first message.
function agents.connect(client)
  assert(client:start())
  local received = client:counters().messages_received
  agents.drive(client, function()
    return client:state() == "connected"
      and client:counters().messages_received > received
  end, "connected")
  return client
end

--- Notes the events of some kinds, in a list.
function agents.record(client, ...)
  local seen = {}
  for i = 1, select("#", ...) do
    client:on((select(i, ...)), function(event)
      seen[#seen + 1] = event
    end)
  end
  return seen
end

--- Drives the client until the list has `count` events; the last of these.
function agents.await(client, seen, count)
  count = count or 1
  agents.drive(client, function()
    return #seen >= count
  end, function()
    return ("%d of %d events came"):format(#seen, count)
  end)
  return seen[count]
end

--- What a function that must fail raises.
function agents.raised(call, ...)
  local ok, message = pcall(call, ...)
  assert(not ok, "nothing was raised")
  return message
end

return agents
