-- SPDX-License-Identifier: Apache-2.0

-- Messages as tables: nothing is lost on the way to bytes and back.

local agents = require("support.agents")
local opamp = require("opamp")
local samples = require("support.samples")

local function packed(name, message)
  return assert(opamp.encode(name, message))
end

local function back(name, message)
  return assert(opamp.decode(name, packed(name, message)))
end

describe("a message", function()
  it("of every type is the same after encoding and decoding", function()
    for name, message in pairs(samples) do
      assert.same(message, back(name, message), name)
    end
  end)

  it("of every type has all its fields in these samples", function()
    for name, message in pairs(samples) do
      local empty = opamp.decode(name, "")
      if type(empty) == "table" and name ~= "Headers" then
        for field in pairs(empty) do
          assert.is_not_nil(message[field], name .. "." .. field)
        end
      end
    end
  end)

  it("of every type may be empty", function()
    for name in pairs(samples) do
      local empty, message = opamp.decode(name, "")
      assert.is_nil(message)
      if type(empty) == "table" then
        assert.equal("", packed(name, {}), name)
        assert.same(empty, back(name, {}), name)
      end
    end
  end)

  it("is encoded to the same bytes from what was decoded", function()
    for name, message in pairs(samples) do
      local bytes = packed(name, message)
      local again = packed(name, opamp.decode(name, bytes))
      -- A map may come in another order.
      assert.equal(#bytes, #again, name)
    end
  end)

  it("has the bytes that protobuf wants", function()
    assert.equal("\10\1x\26\2ok", packed("CustomMessage",
      { capability = "x", data = "ok" }))
    assert.equal("\8\1\34\4fine", packed("ComponentHealth",
      { healthy = true, status = "fine" }))
  end)

  it("has empty lists, maps and texts where nothing is, and nil for messages",
    function()
      local empty = opamp.decode("ServerToAgent", "")
      assert.same({ instance_uid = "", flags = 0, capabilities = {} }, empty)
      assert.same({ identifying = {}, non_identifying = {} },
        opamp.decode("AgentDescription", ""))
      assert.same({ files = nil, hash = "" },
        opamp.decode("AgentRemoteConfig", ""))
    end)

  it("takes opamp.null for what is absent", function()
    assert.equal("", packed("ComponentHealth",
      { status = opamp.null, components = opamp.null, healthy = opamp.null }))
  end)

  it("has files that are a text or a table", function()
    local want = { body = "x: 1", content_type = "", role = "" }
    assert.same({ a = want }, back("AgentConfigMap", { a = "x: 1" }))
    assert.same({ a = want }, back("AgentConfigMap", { a = { body = "x: 1" } }))
    local offer = back("AgentRemoteConfig", { files = { [""] = "\0\255" } })
    assert.equal("\0\255", offer.files[""].body)
  end)

  it("has times in seconds", function()
    local health = back("ComponentHealth",
      { start_time = 1700000000.5, status_time = 3 })
    assert.equal(1700000000.5, health.start_time)
    assert.equal(3, health.status_time)
    local response = back("ServerErrorResponse", { retry_after = 0.25 })
    assert.equal(0.25, response.retry_after)
    for _, time in ipairs({ -1, 1e10, 0 / 0, 1 / 0 }) do
      local bytes, message, code = opamp.encode("ComponentHealth",
        { components = { x = { start_time = time } } })
      assert.is_nil(bytes)
      assert.equal("invalid", code)
      assert.matches("message.components.x.start_time: ", message, 1, true)
      assert.matches("out of range", message, 1, true)
    end
  end)

  -- Covers: WIRE-7
  it("keeps what this version has no name for as numbers", function()
    local package = back("PackageAvailable", { type = 77 })
    assert.equal(77, package.type)
    -- Field 7, capabilities: bits 0 and 40.
    local answer = opamp.decode("ServerToAgent", "\56\129\128\128\128\128\32")
    assert.same({ AcceptsStatus = true, [40] = true }, answer.capabilities)
    -- Field 99 of a newer protocol.
    assert.same(opamp.decode("CustomMessage", ""),
      opamp.decode("CustomMessage", "\154\6\1x"))
  end)

  it("has capabilities as a set, which is just what it says", function()
    for _, set in ipairs({ {}, { AcceptsPackages = true } }) do
      assert.same(set,
        back("AgentToServer", { capabilities = set }).capabilities)
    end
    for _, set in ipairs({ {}, { AcceptsStatus = true } }) do
      assert.same(set,
        back("ServerToAgent", { capabilities = set }).capabilities)
    end
  end)
end)

describe("encoding", function()
  -- What cannot be, and what is said of it.
  local function misused(name, message, says)
    local text = agents.raised(opamp.encode, name, message)
    assert.matches(says, text, 1, true)
  end

  local function refused(name, message, code, says)
    local bytes, text, got = opamp.encode(name, message)
    assert.is_nil(bytes)
    assert.equal(code, got)
    assert.matches(says, text, 1, true)
  end

  it("raises for wrong types, and names the place", function()
    misused("AgentToServer", 5, "message: must be a table, not number")
    misused("AgentToServer", { health = 5 },
      "message.health: must be a table, not number")
    misused("AgentToServer", { health = { healthy = 1 } },
      "message.health.healthy: must be a boolean, not number")
    misused("AgentToServer", { health = { components = { ["a b"] = {
      components = { y = { status = 5 } } } } } },
      'message.health.components["a b"].components.y.status: must be a string')
    misused("AgentToServer", { sequence_num = "1" },
      "message.sequence_num: must be a number, not string")
    misused("AgentToServer", { agent_disconnect = 1 },
      "message.agent_disconnect: must be a boolean, not number")
    misused("CustomCapabilities", "x", "message: must be a table, not string")
    misused("CustomCapabilities", { "a", 5 }, "message[2]: must be a string")
    misused("CustomCapabilities", { "a", nil, "b" },
      "message: must be a list from 1 on without a hole")
    misused("CustomCapabilities", { "a", x = "b" }, "message: must be a list")
    misused("AgentConfigMap", { [1] = "x" }, "message: a key must be a string")
    misused("RemoteConfigStatus", { status = true },
      "message.status: must be a number")
    misused("ServerToAgent", { connection_settings = { other_connections = {
      db = { other_settings = { user = 5 } } } } },
      "message.connection_settings.other_connections.db.other_settings.user")
  end)

  it("raises for unknown fields and names", function()
    misused("AgentToServer", { healt = {} }, "there is no field 'healt'")
    misused("AgentToServer", { health = { up = true } },
      "message.health: there is no field 'up'")
    misused("ComponentHealth", { start_time_unix_nano = 5 },
      "there is no field 'start_time_unix_nano'")
    misused("RemoteConfigStatus", { status = "done" },
      "message.status: there is no value 'done'")
    misused("AgentToServer", { capabilities = { "Nothing" } }, "'Nothing'")
    misused("NoMessage", {}, "there is no message of that name")
    assert.matches("string expected", agents.raised(opamp.encode))
    assert.matches("value expected",
      agents.raised(opamp.encode, "AgentToServer"))
  end)

  it("refuses texts that are none", function()
    refused("ComponentHealth", { components = { x = { status = "\255" } } },
      "utf8", "message.components.x.status: is not UTF-8")
    refused("CustomMessage", { type = "a\0b" }, "utf8",
      "message.type: is not UTF-8, or holds a zero byte")
    refused("AgentConfigMap", { ["\255"] = "x" }, "utf8", 'message["?"]')
    refused("CustomCapabilities", { "a", "\192\128" }, "utf8", "message[2]")
  end)

  it("refuses numbers that are too large, or not whole", function()
    for _, number in ipairs({ 1.5, -1, 1e30, 0 / 0, 1 / 0, -1 / 0 }) do
      refused("AgentToServer", { sequence_num = number }, "invalid",
        "message.sequence_num: ")
    end
    assert.equal(2 ^ 53,
      back("AgentToServer", { sequence_num = 2 ^ 53 }).sequence_num)
    refused("AgentToServer", { sequence_num = 2 ^ 53 * 2 }, "invalid",
      "no whole number in range")
  end)

  it("refuses what is nested too deeply", function()
    local health = {}
    for _ = 1, 10000 do
      health = { components = { x = health } }
    end
    refused("ComponentHealth", health, "depth", "nested too deeply")
    local endless = {}
    endless.components = { x = endless }
    misused("ComponentHealth", endless, "is a table that contains itself")
  end)
end)

describe("decoding", function()
  it("tells what is no message", function()
    for _, bytes in ipairs({ "\255", "\10", "\10\5a", "\10\1\255", "\7" }) do
      local message, text, code = opamp.decode("CustomMessage", bytes)
      assert.is_nil(message)
      assert.is_string(text)
      assert.is_string(code)
    end
    local _, _, code = opamp.decode("CustomMessage", "\10\1\255")
    assert.equal("utf8", code)
    assert.matches("string expected",
      agents.raised(opamp.decode, "CustomMessage", 5))
    assert.matches("there is no message",
      agents.raised(opamp.decode, "NoMessage", ""))
  end)

  it("survives any bytes", function()
    local seed = 12345
    local function random(n)
      seed = (seed * 16807) % 2147483647
      return seed % n
    end
    local function mutated(bytes)
      for _ = 1, 1 + random(4) do
        local at = 1 + random(#bytes)
        local what = random(4)
        local byte = what == 0 and "" or string.char(random(256))
        local to = what == 1 and at or at + 1 -- 1 inserts
        bytes = bytes:sub(1, at - 1) .. byte .. bytes:sub(to)
      end
      return bytes
    end
    local count, good = 0, 0
    for _, name in ipairs({ "AgentToServer", "ServerToAgent" }) do
      local bytes = packed(name, samples[name])
      for _ = 1, 2000 do
        local message, text, code = opamp.decode(name, mutated(bytes))
        count = count + 1
        if type(message) == "table" then
          good = good + 1
        else
          assert.is_nil(message)
          assert.is_string(text)
          assert.is_string(code)
        end
      end
    end
    assert.is_true(good > 0 and good < count, good .. " of " .. count)
  end)

  it("does not follow messages of messages without an end", function()
    -- ComponentHealth.component_health_map: field 6, its value field 2.
    local bytes = ""
    for _ = 1, 500 do
      local entry = "\18" .. samples.varint(#bytes) .. bytes
      bytes = "\50" .. samples.varint(#entry) .. entry
    end
    local message, _, code = opamp.decode("ComponentHealth", bytes)
    assert.is_nil(message)
    assert.equal("depth", code)
  end)
end)
