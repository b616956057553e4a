-- SPDX-License-Identifier: Apache-2.0

-- What should survive a restart: in a store in Lua, or in a directory.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")
local shell = require("support.shell")

local CAPABILITIES = { "AcceptsRemoteConfig", "ReportsRemoteConfig" }

describe("a store in Lua", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  -- Serves a client from a table.
  local function serve(client, kept)
    client:on("store_load", function(event)
      assert(event:loaded(kept[event.key]))
    end)
    client:on("store_save", function(event)
      assert(type(event.secret) == "boolean")
      kept[event.key] = event.value
      assert(event:saved())
    end)
    client:on("store_erase", function(event)
      kept[event.key] = nil
      assert(event:saved())
    end)
  end

  local function new(kept)
    local client = agents.new({ url = server:url(), store = true,
      capabilities = CAPABILITIES })
    if kept then
      serve(client, kept)
    end
    return client
  end

  -- Covers: OFFER-9, OFFER-6
  it("survives a restart", function()
    local kept = {}
    local client = new(kept)
    client:on("remote_config", function() return "applied" end)
    agents.connect(client)
    server:offer({ a = "größer" }, client)
    server:message(client, "remote_config_status")
    agents.drive(client, function() return kept.remote_config end)
    local uid, hash = client:instance_uid(), client:remote_config_hash()
    assert.is_string(kept.instance_uid)
    client:close()

    local restored = {}
    client = new(kept)
    client:on("remote_config", function(event)
      restored[#restored + 1] = event
      return "applied"
    end)
    agents.connect(client)
    assert.equal(uid, client:instance_uid())
    agents.drive(client, function() -- an answer has effect in the next step
      return client:remote_config_hash() == hash
    end, "its hash")
    assert.is_true(restored[1].restored)
    assert.equal("größer", restored[1].files.a.body)
    assert.equal(hash, restored[1].hash)
    assert.equal(0, client:handler_errors())
  end)

  it("may fail, and is told of in the log", function()
    local client = new()
    client:on("store_load", function(event)
      assert(event:failed("the disk is gone"))
    end)
    client:on("store_save", function(event) assert(event:failed()) end)
    local logs = agents.record(client, "log")
    agents.connect(client)
    assert.is_true(#logs > 0)
    local all = ""
    for _, log in ipairs(logs) do
      all = all .. log.message
    end
    assert.matches("the disk is gone", all, 1, true)
    assert.equal(0, client:handler_errors())
  end)

  it("may answer later, and the client waits", function()
    local client = new()
    local loads = agents.record(client, "store_load")
    client:on("store_save", function(event) event:saved() end)
    client:start()
    local answered = 0
    agents.drive(client, function()
      while answered < #loads do
        answered = answered + 1
        assert.is_string(loads[answered].key)
        assert(loads[answered]:loaded(nil))
      end
      return client:state() == "connected"
    end)
    assert.is_true(answered > 0)
    -- It was answered before.
    local ok, message, code = loads[1]:loaded("x")
    assert.is_true(ok == true or type(message) == "string"
      and type(code) == "string")
  end)

  it("is answered with methods that know what they get", function()
    local client = new()
    local loads = agents.record(client, "store_load")
    client:start()
    local event = agents.await(client, loads)
    assert.matches("string expected", agents.raised(event.loaded, event, 5))
    assert.matches("string expected", agents.raised(event.failed, event, 5))
    assert.matches("event of another kind", agents.raised(event.opened, event))
    assert.matches("table expected", agents.raised(event.saved, 5))
    assert.matches("event of another kind", agents.raised(event.saved, {}))
    client:close()
    for _, method in ipairs({ "loaded", "saved", "failed" }) do
      local ok, message, code = event[method](event)
      assert.is_nil(ok)
      assert.equal("the client is closed", message)
      assert.equal("state", code)
    end
  end)

  it("and a state directory exclude each other", function()
    local client, _, code = opamp.new({ url = server:url(), store = true,
      state_dir = "/tmp/unused" })
    assert.is_nil(client)
    assert.equal("invalid", code)
  end)
end)

describe("a state directory", function()
  local server, folder

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  before_each(function() folder = shell.folder() end)
  after_each(function()
    agents.close()
    shell.remove(folder)
  end)

  local function options()
    return { url = server:url(), state_dir = folder .. "/state" }
  end

  -- Covers: OFFER-9
  it("survives a restart, and has one client", function()
    local client = agents.connect(agents.new(options()))
    local uid = client:instance_uid()
    local other, message, code = opamp.new(options())
    assert.is_nil(other)
    assert.equal("busy", code)
    assert.matches(folder, message, 1, true)
    client:close()
    assert.equal(uid, agents.connect(agents.new(options())):instance_uid())
  end)

  it("is free again after a mistake", function()
    local wrong = options()
    wrong.identifying = { a = print }
    agents.raised(opamp.new, wrong)
    wrong.identifying = { a = "\255" }
    assert.is_nil((opamp.new(wrong)))
    wrong.identifying, wrong.on = nil, { connectd = print }
    agents.raised(opamp.new, wrong)
    agents.connect(agents.new(options()))
  end)

  it("that cannot be made is told", function()
    local client, message, code = opamp.new({ url = server:url(),
      state_dir = folder .. "/no/parent" })
    assert.is_nil(client)
    assert.equal("io", code)
    assert.matches(folder .. "/no/parent", message, 1, true)
  end)
end)
