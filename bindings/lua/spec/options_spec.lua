-- SPDX-License-Identifier: Apache-2.0

-- Options of opamp.new: what they take, and what they say when they do not.

local agents = require("support.agents")
local opamp = require("opamp")

local new = agents.try

-- Options that are refused because of a value.
local function refused(options, ...)
  local client, message, code = new(options)
  assert.is_nil(client)
  assert.equal("invalid", code)
  for i = 1, select("#", ...) do
    assert.matches((select(i, ...)), message, 1, true)
  end
end

-- Options that are a mistake of who wrote them.
local function misused(options, ...)
  local message = agents.raised(new, options)
  for i = 1, select("#", ...) do
    assert.matches((select(i, ...)), message, 1, true)
  end
end

describe("an option", function()
  after_each(agents.close)

  -- How numbers are written in texts differs: 86400 and 86400.0.
  it("is told to be out of range with its name and bounds", function()
    refused({ heartbeat = 0.001 }, "'heartbeat'", "0.001 s", "0.01 to 86400")
    refused({ heartbeat = 86401 }, "'heartbeat'", "86401", "0.01 to 86400")
    refused({ heartbeat = 0 / 0 }, "'heartbeat'", "nan")
    refused({ heartbeat = 1 / 0 }, "'heartbeat'", "inf")
    refused({ backoff_max = -1 }, "'backoff_max'", "-1")
    refused({ max_receive = 1 }, "'max_receive'", "64")
    refused({ custom_queue = 1e30 }, "'custom_queue'", "65536")
    refused({ max_redirects = 101 }, "'max_redirects'", "100")
  end)

  it("of a wrong type raises, and is named", function()
    misused({ heartbeat = "30" }, "'heartbeat' must be a number", "string")
    misused({ heartbeat = true }, "'heartbeat' must be a number", "boolean")
    misused({ max_receive = {} }, "'max_receive' must be a number", "table")
    misused({ compression = 1 }, "'compression' must be a boolean", "number")
    misused({ store = "yes" }, "'store' must be a boolean", "string")
    misused({ state_dir = 5 }, "'state_dir' must be a string", "number")
    misused({ redact = 5 }, "'redact' must be a string", "number")
    misused({ instance_uid = 7 }, "'instance_uid' must be a string")
    misused({ identifying = "x" }, "identifying: must be a table, not string")
    misused({ non_identifying = 5 }, "non_identifying: must be a table")
    misused({ log_level = 2 }, "'log_level' must be 'none', 'error', 'warn'")
    misused({ log_level = "loud" }, "'log_level' must be 'none', 'error'")
    misused({ loop = 5 }, "a loop expected")
    misused({ on = 5 }, "'on' must be a table, not number")
  end)

  it("that is unknown raises, and is named", function()
    misused({ hearbeat = 30 }, "there is no option 'hearbeat'")
    misused({ tls_insecure = true }, "there is no option 'tls_insecure'")
    misused({ "ws://localhost" }, "there is no option")
    misused({ [print] = true }, "there is no option")
  end)

  it("that is a count has no fraction", function()
    refused({ max_redirects = 1.5 }, "max_redirects")
  end)

  it("table is needed", function()
    assert.matches("opamp.new: a table expected, not nil",
      agents.raised(opamp.new), 1, true)
    assert.matches("opamp.new: a table expected, not string",
      agents.raised(opamp.new, agents.NOWHERE), 1, true)
  end)

  it("takes the bounds that limits() tells, and nothing beyond", function()
    local limits = opamp.limits()
    assert.same({ default = 30, min = 0.01, max = 86400 }, limits.heartbeat)
    assert.same({ default = 5, min = 0, max = 100 }, limits.max_redirects)
    for name, limit in pairs(limits) do
      assert.is_true(limit.min <= limit.default, name)
      assert.is_true(limit.default <= limit.max, name)
      for _, value in ipairs({ limit.min, limit.max, limit.default }) do
        assert(new({ [name] = value })):close()
      end
      refused({ [name] = limit.max * 2 }, name)
      refused({ [name] = limit.min - 1 }, name)
    end
    assert.is_nil(limits.compression)
    assert.is_nil(limits.log_level)
  end)

  it("that is a boolean may be either", function()
    for _, name in ipairs({ "compression", "heartbeat_zero_disables",
      "allow_unknown_capabilities", "request_instance_uid", "numeric_hosts",
      "own_transport", "allow_weaker_tls", "drop_absent_certificate", "store",
      "uid_persist", "trace_messages" }) do
      assert(new({ [name] = true })):close()
      assert(new({ [name] = false })):close()
    end
  end)

  it("of levels of the log may be each of them", function()
    for _, level in ipairs({ "none", "error", "warn", "info", "debug" }) do
      assert(new({ log_level = level })):close()
    end
  end)
end)

describe("the option url", function()
  after_each(agents.close)

  it("is required", function()
    assert.matches("'url' must be a string, not nil",
      agents.raised(opamp.new, {}), 1, true)
    misused({ url = 5 }, "'url' must be a string, not number")
  end)

  it("is checked", function()
    refused({ url = "ftp://x" }, "url", "ftp")
    refused({ url = "" }, "url: empty")
    refused({ url = "ws://" }, "url: no host")
    refused({ url = "ws://a b/" }, "url")
    refused({ url = "ws://x/\0" }, "url", "zero byte")
  end)

  -- Covers: CONN-14
  it("may lack port and path", function()
    for given, used in pairs({
      ["ws://localhost"] = "ws://localhost/v1/opamp",
      ["wss://localhost:8443"] = "wss://localhost:8443/v1/opamp",
      ["http://localhost/x"] = "http://localhost/x",
      ["https://[::1]:1/"] = "https://[::1]:1/",
    }) do
      assert.equal(used, new({ url = given }):endpoint())
    end
  end)
end)

describe("the option instance_uid", function()
  after_each(agents.close)

  local text = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

  it("is bytes, or their text", function()
    local bytes = opamp.uid_bytes(text)
    assert.equal(16, #bytes)
    assert.equal(text, opamp.uid_text(bytes))
    for _, given in ipairs({ bytes, text, text:upper() }) do
      assert.equal(bytes, new({ instance_uid = given }):instance_uid())
    end
  end)

  it("is made when it is absent", function()
    local one, other = new({}):instance_uid(), new({}):instance_uid()
    assert.equal(16, #one)
    assert.not_equal(one, other)
    assert.equal("7", opamp.uid_text(one):sub(15, 15))
  end)

  it("is checked", function()
    refused({ instance_uid = "short" }, "instance_uid", "5 bytes")
    refused({ instance_uid = ("\0"):rep(16) }, "instance_uid", "all zero")
    refused({ instance_uid = "no uuid" }, "instance_uid")
    refused({ instance_uid = ("x"):rep(36) }, "instance_uid")
    local bytes, message, code = opamp.uid_bytes("no uuid")
    assert.is_nil(bytes)
    assert.equal("invalid", code)
    assert.is_string(message)
    assert.matches("16 bytes expected", agents.raised(opamp.uid_text, "x"))
    assert.matches("string expected", agents.raised(opamp.uid_bytes, 5))
  end)
end)

describe("the option capabilities", function()
  after_each(agents.close)

  local default = {
    ReportsStatus = true,
    ReportsHealth = true,
    ReportsHeartbeat = true,
  }

  local function with(more)
    local all = {}
    for name in pairs(default) do
      all[name] = true
    end
    for name, on in pairs(more) do
      all[name] = on or nil
    end
    return all
  end

  -- Covers: SEC-3
  it("has a default that lets nobody change the machine", function()
    assert.same(default, new({}):capabilities())
  end)

  it("is a list, which is added to the default", function()
    local client = new({ capabilities = { "AcceptsRemoteConfig" } })
    assert.same(with({ AcceptsRemoteConfig = true }), client:capabilities())
    assert.same(default, new({ capabilities = {} }):capabilities())
  end)

  it("has the numbers of bits that have no name", function()
    local client = new({ capabilities = { [40] = true } })
    assert.same(with({ [40] = true }), client:capabilities())
  end)

  it("is a set, which may take from the default", function()
    local client = new({ capabilities = {
      AcceptsRemoteConfig = true,
      AcceptsPackages = false,
      ReportsHealth = false,
    } })
    assert.same(with({ AcceptsRemoteConfig = true, ReportsHealth = false }),
      client:capabilities())
  end)

  -- Covers: WIRE-8
  it("always has ReportsStatus", function()
    local client = new({ capabilities = { ReportsStatus = false } })
    assert.is_true(client:capabilities().ReportsStatus)
  end)

  it("raises for what is none", function()
    misused({ capabilities = "all" }, "capabilities", "not string")
    misused({ capabilities = { "ReportsNothing" } }, "there is no capability",
      "'ReportsNothing'")
    misused({ capabilities = { 64 } }, "there is no capability")
    misused({ capabilities = { 1.5 } }, "there is no capability")
    misused({ capabilities = { print } }, "there is no capability")
    misused({ capabilities = { Reports = true } }, "'Reports'")
  end)
end)

describe("the option on", function()
  after_each(agents.close)

  it("has handlers by kind", function()
    local seen
    local client = new({ on = { connecting = function(event, self)
      seen = { event.kind, self }
    end } })
    client:start()
    agents.drive(client, function() return seen end)
    assert.equal("connecting", seen[1])
    assert.equal(client, seen[2])
  end)

  it("raises for what is no kind and no handler", function()
    misused({ on = { connectd = print } }, "no events of kind 'connectd'")
    misused({ on = { connected = 5 } },
      "a function expected for 'connected', not number")
    misused({ on = { print } }, "a kind of events expected, not number")
  end)
end)

describe("attributes of options", function()
  after_each(agents.close)

  it("are named when they cannot be", function()
    misused({ identifying = { a = { 1, 2, print } } },
      "identifying.a[3]: an attribute cannot be a function")
    misused({ identifying = { "a" } }, "identifying: a key must be a string")
    local client, message, code = new({ non_identifying = { a = "\255" } })
    assert.is_nil(client)
    assert.equal("utf8", code)
    assert.matches("non_identifying.a: is not UTF-8", message, 1, true)
  end)

  it("leave nothing behind when they cannot be", function()
    local loop = agents.own(opamp.loop())
    for _ = 1, 3 do
      agents.raised(new, { loop = loop, identifying = { a = print } })
      assert.is_nil((new({ loop = loop, identifying = { a = "\255" } })))
    end
    assert.equal(0, loop:step())
  end)
end)
