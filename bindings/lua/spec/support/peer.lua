-- SPDX-License-Identifier: Apache-2.0

--- opamp-peer, a real server, as something a spec can hold.

local json = require("dkjson")
local agents = require("support.agents")
local shell = require("support.shell")

local quote = shell.quote

local peer = {}

local Peer = {}
Peer.__index = Peer

local function program()
  local build = os.getenv("OPAMP_BUILD")
    or shell.repository("build/release")
  local path = build .. "/libopamp/tools/peer/opamp-peer"
  assert(io.open(path, "rb"), path .. " is missing"):close()
  return path
end

--- Starts a server. Arguments are those of the program.
-- It reads commands from a FIFO: when this process ends, however that happens,
-- the FIFO ends, and the server with it. What it says goes into a file, which
-- is read again and again; a pipe could not be read without waiting. The pipe
-- that gives its process id ends when the server does.
function peer.start(...)
  local folder = shell.folder()
  local words = { quote(program()), "--json", "--control",
    "--listen 127.0.0.1:0" }
  for i = 1, select("#", ...) do
    words[#words + 1] = quote((select(i, ...)))
  end
  local fifo, output = folder .. "/commands", folder .. "/output"
  shell.write(output, "")
  local pipe = shell.popen(("mkfifo %s && { %s 9>&1 >%s <%s & echo $!; }")
    :format(quote(fifo), table.concat(words, " "), quote(output), quote(fifo)))
  local self = setmetatable({
    pid = pipe:read("*l"),
    events = {},
    _folder = folder,
    _pipe = pipe,
    -- For reading, too: then writing to a server that is gone does not end this
    -- process.
    _commands = assert(io.open(fifo, "r+b")),
    _output = assert(io.open(output, "rb")),
    _partial = "",
    _last = 0,
  }, Peer)
  local first = self:wait(nil, function(e) return e.event == "listening" end)
  self.address, self.tls = first.address, first.tls
  return self
end

--- Ends it, and waits until it has. For a second time it does nothing.
function Peer:close()
  if self._pipe then
    self._commands:write('{"command": "stop"}\n')
    self._commands:close()
    self._output:close()
    self._pipe:read("*a")
    self._pipe:close()
    self._pipe = nil
    shell.remove(self._folder)
  end
end

-- What it is told -------------------------------------------------------------

--- Its address for a scheme, `"ws"` or `"http"`; secure when it speaks TLS.
function Peer:url(scheme)
  return ("%s%s://%s/v1/opamp"):format(scheme or "ws", self.tls and "s" or "",
    self.address)
end

--- Has it do something; the result. `driven` goes on meanwhile.
function Peer:command(name, fields, driven)
  local line = { command = name, id = self._last + 1 }
  self._last = line.id
  for key, value in pairs(fields or {}) do
    line[key] = value
  end
  self._commands:write(json.encode(line), "\n")
  self._commands:flush()
  local result = self:wait(driven, function(e)
    return e.event == "result" and e.id == line.id
  end)
  assert(result.ok, result.message)
  return result
end

--- Offers a remote configuration: texts by name.
function Peer:offer(files, driven)
  local offered = {}
  for name, body in pairs(files) do
    offered[name] = { body = body }
  end
  return self:command("offer_config", { files = offered }, driven)
end

-- What it saw -----------------------------------------------------------------

-- Takes the events that have come meanwhile.
local function read(self)
  local text = self._partial .. (self._output:read("*a") or "")
  local from = 1
  for line, to in text:gmatch("([^\n]*)\n()") do
    self.events[#self.events + 1] = assert(json.decode(line))
    from = to
  end
  self._partial = text:sub(from)
end

local function kinds(events)
  local names = {}
  for i, event in ipairs(events) do
    names[i] = event.event
  end
  return table.concat(names, " ")
end

--- The `count`-th event that is wanted, as soon as it has come. The clients in
-- `driven`, one or a list, go on meanwhile.
function Peer:wait(driven, wanted, count)
  local seen, found = 0, {}
  count = count or 1
  agents.drive(driven, function()
    read(self)
    while seen < #self.events do
      seen = seen + 1
      if wanted(self.events[seen]) then
        found[#found + 1] = self.events[seen]
      end
    end
    return #found >= count
  end, function()
    return ("%d of %d came; there were: %s"):format(#found, count,
      kinds(self.events))
  end, true)
  return found[count]
end

--- The `count`-th message of a client, which goes on meanwhile, that has the
-- field; or for which `wanted`, a function, is true.
function Peer:message(client, wanted, count)
  local uid = agents.uid(client)
  return self:wait(client, function(e)
    if e.event ~= "message" or e.instance_uid ~= uid then
      return false
    end
    if type(wanted) == "function" then
      return wanted(e.message)
    end
    return wanted == nil or e.message[wanted] ~= nil
  end, count).message
end

--- All messages of an agent so far, by the text of its uid.
function Peer:messages(uid)
  local found = {}
  read(self)
  for _, event in ipairs(self.events) do
    if event.event == "message" and event.instance_uid == uid then
      found[#found + 1] = event.message
    end
  end
  return found
end

--- The number of an agent's connection, by the text of its uid.
function Peer:connection(uid)
  return self:wait(nil, function(e)
    return e.event == "message" and e.instance_uid == uid
  end).connection
end

--- Waits for the end of an agent's connection; whether it said good-bye.
function Peer:ended(uid, connection)
  self:wait(nil, function(e)
    return e.event == "closed" and e.connection == connection
  end)
  for _, message in ipairs(self:messages(uid)) do
    if message.agent_disconnect then
      return true
    end
  end
  return false
end

--- Has the server send a ServerToAgent.
function Peer:send(message, driven)
  return self:command("send", { message = message }, driven)
end

return peer
