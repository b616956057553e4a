-- SPDX-License-Identifier: Apache-2.0

-- Every method says by name what it was called with wrongly.

local agents = require("support.agents")
local opamp = require("opamp")

local NOWHERE = "ws://127.0.0.1:1/v1/opamp"

-- A call that is wrong, and what is said: the method, and the argument or what
-- was expected. They are written out: how it is called tells Lua its name.
local calls = {
  { function(c) c:set_description(5) end,
    "set_description", "description: must be a table, not number" },
  { function(c) c:set_description() end, "set_description", "value expected" },
  { function(c) c:set_description({ name = 1 }) end,
    "set_description", "there is no field 'name'" },
  { function(c) c:set_health(true) end,
    "set_health", "health: must be a table, not boolean" },
  { function(c) c:set_health({ healty = true }) end,
    "set_health", "there is no field 'healty'" },
  { function(c) c:set_health({ healthy = "yes" }) end,
    "set_health", "health.healthy: must be a boolean, not string" },
  { function(c) c:set_health({ components = { { healthy = true } } }) end,
    "set_health", "health.components: a key must be a string" },
  { function(c) c:set_effective_config("x: 1") end,
    "set_effective_config", "files: must be a table, not string" },
  { function(c) c:set_effective_config({ a = 5 }) end,
    "set_effective_config", "files.a: must be a table, not number" },
  { function(c) c:set_effective_config({ a = { body = 5 } }) end,
    "set_effective_config", "files.a.body: must be a string, not number" },
  { function(c) c:set_effective_config({ a = { text = "" } }) end,
    "set_effective_config", "files.a: there is no field 'text'" },
  { function(c) c:set_available_components({ components = 5 }) end,
    "set_available_components", "components.components: must be a table" },
  { function(c) c:set_package_statuses({ packages = { p = {
      status = "gone" } } }) end,
    "set_package_statuses", "packages.p.status: there is no value 'gone'" },
  { function(c) c:set_custom_capabilities("x") end,
    "set_custom_capabilities", "names: must be a table, not string" },
  { function(c) c:set_custom_capabilities({ 5 }) end,
    "set_custom_capabilities", "names[1]: must be a string, not number" },
  { function(c) c:set_custom_capabilities({ x = true }) end,
    "set_custom_capabilities", "names: must be a list" },
  { function(c) c:set_capabilities("x") end, "capabilities", "string" },
  { function(c) c:set_capabilities({ "x" }) end, "capabilit", "'x'" },
  { function(c) c:set_remote_config_status(5) end,
    "#1 to 'set_remote_config_status'", "string expected, got number" },
  { function(c) c:set_remote_config_status("h") end,
    "#2 to 'set_remote_config_status'", "string expected" },
  { function(c) c:set_remote_config_status("h", "done") end,
    "#2 to 'set_remote_config_status'", "'applied', 'failed' or 'applying'" },
  { function(c) c:set_remote_config_status("h", "unset") end,
    "#2 to 'set_remote_config_status'", "'applied', 'failed' or 'applying'" },
  { function(c) c:set_remote_config_status("h", "failed", 5) end,
    "#3 to 'set_remote_config_status'", "string expected, got number" },
  { function(c) c:set_remote_config_status("h", "failed", "a\0b") end,
    "#3 to 'set_remote_config_status'", "zero byte" },
  { function(c) c:set_connection_settings_status("h", "done") end,
    "#2 to 'set_connection_settings_status'", "'applied', 'failed'" },
  { function(c) c:forget_offer("x") end,
    "#1 to 'forget_offer'", "'remote_config', 'connection_settings' or" },
  { function(c) c:send_custom() end,
    "#1 to 'send_custom'", "string expected, got no value" },
  { function(c) c:send_custom("a", 5) end,
    "#2 to 'send_custom'", "string expected, got number" },
  { function(c) c:send_custom("a", "b", 5) end,
    "#3 to 'send_custom'", "string expected, got number" },
  { function(c) c:queue_raw(5) end,
    "#1 to 'queue_raw'", "string expected, got number" },
  { function(c) c:queue_raw({}) end,
    "#1 to 'queue_raw'", "string expected, got table" },
  { function(c) c:set_headers(5) end,
    "set_headers", "table expected, got number" },
  { function(c) c:set_headers({ A = 5 }) end, "headers", "strings" },
  { function(c) c:set_heartbeat("5") end,
    "#1 to 'set_heartbeat'", "number expected, got string" },
  { function(c) c:poll("5") end, "poll", "number of seconds, not string" },
  { function(c) c:run(5) end, "run", "a table expected, not number" },
  { function(c) c:run({ until_ = 5 }) end,
    "run", "'until_' must be a function, not number" },
  { function(c) c:run({ timeout = "5" }) end,
    "run", "'timeout' must be a number of seconds, not string" },
  { function(c) c:run({ untill = print }) end, "run", "untill" },
  { function(c) c:stop(5) end, "stop", "a table expected, not number" },
  { function(c) c:stop({ wait = true }) end,
    "stop", "'wait' must be a number of seconds, not boolean" },
  { function(c) c:stop({ disconnect = "no" }) end,
    "stop", "'disconnect' must be a boolean, not string" },
  { function(c) c:stop({ disconect = false }) end, "stop", "'disconect'" },
  { function(c) c:on(5) end, "client:on", "a kind of events expected" },
  { function(c) c:on("conected", print) end,
    "client:on", "no events of kind 'conected'" },
  { function(c) c:on("connected") end,
    "client:on", "a function expected for 'connected', not nil" },
  { function(c) c:on("connected", "f") end,
    "client:on", "a function expected for 'connected', not string" },
}

-- Methods that take a client and nothing else.
local getters = { "state", "state_since", "next_retry", "instance_uid",
  "capabilities", "server_capabilities", "server_custom_capabilities",
  "sequence_num", "custom_room", "undelivered", "parked", "last_error",
  "remote_config_hash", "endpoint", "counters", "handler_errors", "loop" }

local others = { "start", "step", "poll", "run", "stop", "fd", "timeout",
  "hold", "release", "flush", "request_certificate", "set_health",
  "set_description", "set_effective_config", "set_available_components",
  "set_package_statuses", "set_custom_capabilities", "set_capabilities",
  "set_remote_config_status", "set_connection_settings_status",
  "forget_offer", "send_custom", "queue_raw", "set_headers", "set_heartbeat" }

local function each(run)
  for _, names in ipairs({ getters, others }) do
    for _, name in ipairs(names) do
      run(name)
    end
  end
end

describe("a wrong call", function()
  after_each(agents.close)

  it("raises where it is, with the method and what was expected", function()
    local client = agents.new({ url = NOWHERE })
    local before = client:undelivered()
    for i, call in ipairs(calls) do
      local message = agents.raised(call[1], client)
      assert.matches("^%S*misuse_spec.lua:%d+: ", message)
      assert.matches(call[2], message, 1, true)
      assert.matches(call[3], message, 1, true, i)
    end
    -- And nothing came of it.
    assert.equal("stopped", client:state())
    assert.same(before, client:undelivered())
  end)

  it("of opamp.new raises where it is", function()
    local message = agents.raised(function()
      local _ = opamp.new({ url = NOWHERE, hearbeat = 5 })
    end)
    assert.matches("^%S*misuse_spec.lua:%d+: opamp.new: ", message)
  end)

  it("raises when it is not a client's", function()
    local client = agents.new({ url = NOWHERE })
    each(function(name)
      for _, self in ipairs({ 5, "x", {}, io.stdout }) do
        assert.is_string(agents.raised(client[name], self))
      end
      assert.is_string(agents.raised(client[name]))
    end)
    for _, self in ipairs({ 5, {}, io.stdout }) do
      assert.matches("a client expected", agents.raised(client.close, self))
      assert.matches("a client expected",
        agents.raised(client.is_closed, self))
    end
    assert.matches("a client expected",
      agents.raised(client.state, client:loop()))
    assert.is_string(agents.raised(client:loop().close, client))
  end)

  it("raises when the client is closed", function()
    local client = agents.new({ url = NOWHERE })
    client:close()
    client:close()
    assert.is_true(client:is_closed())
    assert.equal("opamp.client: closed", tostring(client))
    each(function(name)
      local message = agents.raised(client[name], client)
      assert.matches("closed", message, 1, true)
    end)
    assert.matches("closed", agents.raised(client.on, client, "log", print))
    assert.matches("closed", agents.raised(client.stop, client, { wait = 0 }))
  end)

  it("cannot reach what is inside", function()
    local client = agents.new({ url = NOWHERE })
    assert.equal("locked", getmetatable(client))
    assert.is_nil(client.nothing)
    assert.is_false(pcall(function() client.field = 5 end))
    assert.is_false(pcall(setmetatable, client, {}))
  end)
end)

describe("a call that the library refuses", function()
  after_each(agents.close)

  it("returns nil, a text and a code", function()
    local client = agents.new({ url = NOWHERE })
    for _, call in ipairs({
      { "utf8", client.set_health, { status = "\255" } },
      { "invalid", client.set_health, { start_time = -1 } },
      { "utf8", client.set_remote_config_status, "h", "failed", "\255" },
      { "invalid", client.set_heartbeat, -1 },
      { "invalid", client.send_custom, "a", "b", "c" },
      { "invalid", client.set_headers, { ["a b"] = "c" } },
      { "state", client.release },
    }) do
      local ok, message, code = call[2](client, call[3], call[4], call[5])
      assert.is_nil(ok)
      assert.is_string(message)
      assert.is_true(#message > 0)
      assert.equal(call[1], code)
    end
  end)
end)

describe("the module", function()
  after_each(agents.close)

  it("makes no globals", function()
    local output, _, status = require("support.shell").lua([[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = "ws://127.0.0.1:1" }))
      client:poll()
      for name in pairs(_G) do
        if not before[name] then print(name) end
      end
    ]])
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("may be loaded again, and old clients go on", function()
    local output, _, status = require("support.shell").lua([[
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = "ws://127.0.0.1:1" }))
      client:on("connecting", function(event)
        print(event.kind, event.client == client)
      end)
      package.loaded["opamp"], package.loaded["opamp.core"] = nil, nil
      local again = require("opamp")
      assert(again ~= opamp and again.new({ url = "ws://127.0.0.1:1" }))
      assert(again.encode("AnyValue", opamp.array({})))
      assert(client:run({ until_ = function()
        return client:state() == "waiting"
      end, timeout = 20 }))
    ]])
    assert.equal("connecting\ttrue\n", output)
    assert.equal(0, status)
  end)

  it("tells its version and features", function()
    local features = opamp.features()
    assert.equal("opamp " .. features.version, opamp._VERSION)
    assert.is_true(features.websocket)
    assert.matches("^libcurl", features.http)
    assert.matches("^OpenSSL", features.tls)
    assert.matches(features.tls, features.details, 1, true)
    assert.matches("^v?%d+%.%d+", features.spec)
  end)
end)

local load_text = rawget(_G, "loadstring") or load
local has_close = load_text("local x <close> = nil")

if has_close then
  describe("a variable that is to be closed", function()
    it("closes a client, a loop and a directory", function()
      local chunk = assert(load_text([[
        local opamp, url, path = ...
        local seen = {}
        do
          local client <close> = opamp.new({ url = url })
          client:attach(function() seen.before = client:fd() end)
          local loop <close> = opamp.loop()
          local dir <close> = opamp.configdir(path)
          seen[1], seen[2], seen[3] = client, loop, dir
        end
        return seen
      ]]))
      local shell = require("support.shell")
      local folder = shell.folder()
      local seen = chunk(opamp, NOWHERE, folder .. "/conf")
      assert.is_number(seen.before)
      assert.is_true(seen[1]:is_closed())
      assert.is_true(seen[2]:is_closed())
      assert.matches("closed", agents.raised(seen[3].read, seen[3]))
      shell.remove(folder)
    end)
  end)
end
