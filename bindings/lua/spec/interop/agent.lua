-- SPDX-License-Identifier: Apache-2.0

--- An agent as a program, in luv's loop: as much of opamp-agent's options,
-- commands and events as the tests against opamp-go's server need.

local adapter = require("opamp.luv")
local arguments = require("arguments")
local base64 = require("base64")
local commands = require("commands")
local json = require("dkjson")
local opamp = require("opamp")
local uv = require("luv")

local given = arguments.read(arg)
local input = uv.new_pipe(false)

local function say(event, members)
  members.event = event
  io.stdout:write(json.encode(members), "\n")
  io.stdout:flush()
end

-- Names of enumerations as opamp-agent writes them: bad_request is BadRequest.
local function camel_case(name)
  return (("_" .. name):gsub("_(%l)", string.upper))
end

local function milliseconds(seconds)
  return seconds and math.floor(seconds * 1000 + 0.5)
end

-- Runs a shell's command, while the loop goes on: its exit status and output.
-- Only in a coroutine.
local function run(command, ...)
  local thread = assert(coroutine.running())
  local output, pieces, status = uv.new_pipe(false), {}, nil
  -- It is over when both have been seen: its end, and that of its output.
  local function continue()
    if status and output:is_closing() then
      assert(coroutine.resume(thread))
    end
  end
  local process
  process = assert(uv.spawn("/bin/sh", {
    args = { "-c", command },
    env = { "PATH=/usr/bin:/bin", ... },
    stdio = { nil, output, nil },
  }, function(code)
    status = code
    process:close()
    continue()
  end))
  output:read_start(function(_, piece)
    if piece then
      table.insert(pieces, piece)
      return
    end
    output:close()
    continue()
  end)
  coroutine.yield()
  return status, table.concat(pieces)
end

-- The headers of the options, and over them those that the command prints.
local function headers()
  local text = table.concat(given.header, "\n") .. "\n"
  if given.header_command then
    local status, output = run(given.header_command)
    assert(status == 0, output)
    text = text .. output
  end
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    table.insert(lines, line)
  end
  return arguments.pairs(lines, ": *")
end

local function capabilities()
  local list = {}
  for _, names in ipairs(given.capabilities) do
    for name in names:gmatch("[^+,]+") do
      table.insert(list, name)
    end
  end
  if given.config_dir then
    table.insert(list, "AcceptsRemoteConfig")
    table.insert(list, "ReportsRemoteConfig")
    table.insert(list, "ReportsEffectiveConfig")
  end
  if given.on_restart then
    table.insert(list, "AcceptsRestartCommand")
  end
  return list
end

local function new_client()
  local identifying = arguments.pairs(given.identify, "=")
  identifying["service.name"] = given.service_name
  return assert(opamp.new {
    url = given.url,
    identifying = identifying,
    non_identifying = arguments.pairs(given.describe, "="),
    capabilities = capabilities(),
    headers = headers(),
    tls = given.ca and { ca = given.ca },
    state_dir = given.state_dir,
    compression = given.compression == "auto",
    request_certificate = given.request_certificate,
    backoff_min = given.backoff_min,
    heartbeat = given.heartbeat,
    poll_interval = given.poll_interval,
    reconnect_delay = given.reconnect_delay,
    trial_interval = given.trial_interval,
    trial_timeout = given.trial_timeout,
  })
end

-- Handlers -------------------------------------------------------------------

local on = {}

-- No handler is to raise an error; what one says then is in the test's log.
function on.error(event)
  say("error", { message = event.traceback })
end

function on.connect_failed(event)
  say("connect_failed", {
    error = "OPAMP_ERR_" .. event.code:upper(),
    message = event.text,
    http_status = event.http_status,
    retry_in_ms = milliseconds(event.retry_in),
  })
end

function on.disconnected()
  say("disconnected", {})
end

function on.stopped(event)
  say("stopped", { disconnect_sent = event.disconnect_sent })
  if not input:is_closing() then
    input:close()
  end
end

function on.credentials_wanted(_, client)
  assert(client:set_headers(headers()))
end

function on.server_error(event)
  say("server_error", {
    type = camel_case(event.type),
    message = event.error_message,
    retry_in_ms = milliseconds(event.retry_in),
  })
end

function on.bad_message(event)
  say("bad_message", { message = event.text })
end

function on.identity(event)
  say("identity", {
    instance_uid = opamp.uid_text(event.instance_uid),
    previous = opamp.uid_text(event.previous),
  })
end

function on.command(event)
  say("command", { type = camel_case(event.type) })
end

function on.custom_message(event)
  say("custom_message", {
    type = event.type,
    data = base64.encode(event.data),
  })
end

-- Shows the files of an offer in a directory, and has a command apply them.
local function applier(dir)
  return function(event, client)
    local shown = {}
    for name, file in pairs(event.files) do
      shown[name] = { content_type = file.content_type }
    end
    local hash = event.hash:gsub(".", function(byte)
      return ("%02x"):format(byte:byte())
    end)
    say("remote_config", { hash = hash, files = shown })
    assert(dir:replace(event.files))
    if given.apply then
      local status, output = run(given.apply, "OPAMP_CONFIG_DIR=" .. dir:path())
      if status ~= 0 then
        assert(dir:rollback())
        return "failed", output
      end
    end
    assert(dir:commit())
    assert(client:set_effective_config(assert(dir:read())))
    return "applied"
  end
end

-- Input ----------------------------------------------------------------------

local function do_line(client, line)
  -- Without metatables: a list is known by its first item.
  local command = assert(json.decode(line, 1, nil, nil, nil))
  local ok, message = commands[command.command](client, command)
  say("result", { id = command.id, ok = ok or false, message = message })
end

local function listen(client)
  local rest = ""
  input:open(0)
  input:read_start(function(failed, text)
    assert(not failed, failed)
    if not text then
      input:close()
      client:stop()
      return
    end
    rest = rest .. text
    rest = rest:gsub("([^\n]*)\n", function(line)
      do_line(client, line)
      return ""
    end)
  end)
end

local function main()
  local client = new_client()
  for kind, handler in pairs(on) do
    client:on(kind, handler)
  end
  if given.config_dir then
    local dir = assert(opamp.configdir(given.config_dir))
    client:on("remote_config", applier(dir))
  end
  assert(client:set_health { healthy = true, status = "running" })
  say("starting", { instance_uid = opamp.uid_text(client:instance_uid()) })
  assert(adapter.attach(client))
  listen(client)
end

assert(coroutine.resume(coroutine.create(main)))
uv.run()
