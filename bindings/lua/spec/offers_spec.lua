-- SPDX-License-Identifier: Apache-2.0

-- What a server offers, and how it is answered.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")

local CONFIG = {
  "AcceptsRemoteConfig",
  "ReportsRemoteConfig",
  "ReportsEffectiveConfig",
}

local SETTINGS = {
  "AcceptsOpAMPConnectionSettings",
  "AcceptsOtherConnectionSettings",
  "ReportsConnectionSettingsStatus",
  "ReportsOwnMetrics",
}

describe("an offer of a configuration", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  local function new(options)
    options = options or {}
    options.capabilities = CONFIG
    return agents.at(server, options)
  end

  -- The status that the server was told, once it is `wanted`.
  local function status(client, wanted)
    return server:message(client, function(message)
      local said = message.remote_config_status
      return said and said.status == wanted
    end).remote_config_status
  end

  -- Covers: OFFER-3, OFFER-4, OFFER-6, OFFER-7
  for _, scheme in ipairs({ "ws", "http" }) do
    it("is handed out and answered, over " .. scheme, function()
      local client = new({ scheme = scheme })
      local offers = {}
      client:on("remote_config", function(event, self)
        offers[#offers + 1] = event
        assert(self:set_effective_config(event.files))
        return "applied"
      end)
      agents.connect(client)
      server:offer({ ["a.yaml"] = "x: 1", b = "ü" }, client)
      local said = status(client, "APPLIED")
      assert.is_nil(said.error_message)
      local map = server:message(client, "effective_config")
        .effective_config.config_map.config_map
      assert.equal("eDogMQ==", map["a.yaml"].body)
      local offer = offers[1]
      assert.equal(1, #offers)
      assert.equal("remote_config", offer.kind)
      assert.equal(client, offer.client)
      assert.is_false(offer.restored)
      assert.is_string(offer.text)
      assert.equal("x: 1", offer.files["a.yaml"].body)
      assert.equal("ü", offer.files.b.body)
      assert.equal(offer.hash, client:remote_config_hash())
      assert.equal(said.last_remote_config_hash,
        (offer.hash:gsub(".", function(c)
          return ("%02x"):format(c:byte())
        end)))
      local raw = assert(opamp.decode("ServerToAgent", offer.raw))
      assert.same(offer.files, raw.remote_config.files)
      assert.equal(offer.hash, raw.remote_config.hash)
      assert.equal(0, client:handler_errors())
    end)
  end

  local evil = setmetatable({}, { __tostring = function() error("evil") end })

  -- What a handler does, and what the server is told of it; the last number is
  -- how many errors are counted.
  local answers = {
    ["returns applied"] = { function() return "applied" end, "APPLIED" },
    ["accepts"] = { function(event)
      assert(event:accept())
    end, "APPLIED" },
    ["accepts and returns applied"] = { function(event)
      assert(event:accept())
      return "applied"
    end, "APPLIED" },
    ["returns failed and a text"] = { function()
      return "failed", "no such key"
    end, "FAILED", "no such key" },
    ["returns failed"] = { function() return "failed" end, "FAILED" },
    ["rejects"] = { function(event)
      assert(event:reject("no such key"))
    end, "FAILED", "no such key" },
    ["rejects without a text"] = { function(event)
      assert(event:reject())
    end, "FAILED" },
    ["returns applying"] = { function() return "applying" end, "APPLYING" },
    ["defers"] = { function(event) assert(event:defer()) end, "APPLYING" },
    ["returns applying and answers"] = { function(event, client)
      event:defer()
      assert(client:set_remote_config_status(event.hash, "failed", "late"))
    end, "FAILED", "late" },
    ["raises a text"] = { function()
      error("bad yaml", 0)
    end, "FAILED", "bad yaml", 1 },
    ["raises with a position"] = { function()
      error("bad yaml")
    end, "FAILED", "offers_spec.lua:%d+: bad yaml", 1 },
    ["raises a table"] = { function()
      error(setmetatable({}, { __tostring = function() return "mine" end }))
    end, "FAILED", "mine", 1 },
    ["raises nil"] = { function() error(nil) end, "FAILED", "nil", 1 },
    ["raises what is no UTF-8"] = { function()
      error("bad\255\0name", 0)
    end, "FAILED", "bad%?%?name", 1 },
    ["raises UTF-8"] = { function()
      error("größer", 0)
    end, "FAILED", "größer", 1 },
    ["raises what cannot be a text"] = { function()
      error(evil)
    end, "FAILED", nil, 1 },
    ["returns another text"] = { function() return "aplied" end,
      "FAILED", "a handler of remote_config returned aplied", 1 },
    ["returns something else"] = { function() return true end,
      "FAILED", "returned true", 1 },
    ["returns a number as a text"] = { function()
      return "failed", 42
    end, "FAILED", "42" },
  }

  for name, case in pairs(answers) do
    -- Covers: OFFER-4
    it("is answered by a handler that " .. name, function()
      local client = new()
      client:on("remote_config", case[1])
      local errors = agents.record(client, "error")
      agents.connect(client)
      server:offer({ a = name }, client)
      local said = status(client, case[2])
      if case[3] then
        assert.matches(case[3], said.error_message)
      elseif case[2] ~= "FAILED" then
        assert.is_nil(said.error_message)
      end
      assert.equal(case[4] or 0, client:handler_errors())
      assert.equal(case[4] or 0, #errors)
    end)
  end

  it("that waits is answered later", function()
    local client = new()
    local hash
    client:on("remote_config", function(event)
      hash = event.hash
      return "applying"
    end)
    local stati = agents.record(client, "remote_config_status")
    agents.connect(client)
    server:offer({ a = "1" }, client)
    local said = status(client, "APPLYING").last_remote_config_hash
    assert.equal("", client:remote_config_hash())
    assert(client:set_remote_config_status(hash, "applied"))
    assert.equal(said, status(client, "APPLIED").last_remote_config_hash)
    assert.equal(hash, client:remote_config_hash())
    assert.equal("applied", stati[#stati].status)
    assert.equal(hash, stati[#stati].hash)
  end)

  it("that nobody answers fails in time", function()
    local client = new({ offer_deadline = 0.1 })
    local offers = agents.record(client, "remote_config")
    local stati = agents.record(client, "remote_config_status")
    agents.connect(client)
    server:offer({ a = "1" }, client)
    assert.matches("answer", status(client, "FAILED").error_message)
    local last = stati[#stati]
    assert.equal("failed", last.status)
    assert.equal(offers[1].hash, last.hash)
    assert.is_string(last.error_message)
    -- Too late, and without effect.
    offers[1]:accept()
    local delivered = agents.record(client, "delivered")
    client:flush()
    agents.await(client, delivered)
    assert.equal("", client:remote_config_hash())
    assert.equal(last, stati[#stati])
  end)

  it("that nobody keeps is being applied until then", function()
    local client = new()
    local seen
    client:on("remote_config", function() seen = true end)
    agents.connect(client)
    server:offer({ a = "1" }, client)
    agents.drive(client, function() return seen end)
    collectgarbage()
    collectgarbage()
    status(client, "APPLYING")
  end)

  it("is answered once", function()
    local client = new()
    local codes = {}
    client:on("remote_config", function(event)
      assert(event:reject("first"))
      for _, method in ipairs({ "accept", "reject", "defer" }) do
        local ok, message, code = event[method](event)
        assert(ok == nil and type(message) == "string")
        codes[#codes + 1] = code
      end
    end)
    agents.connect(client)
    server:offer({ a = "1" }, client)
    assert.equal("first", status(client, "FAILED").error_message)
    assert.same({ "state", "state", "state" }, codes)
    assert.equal(0, client:handler_errors())
  end)

  -- Covers: OFFER-5
  it("that is equal comes once, unless it was forgotten", function()
    local client = new()
    local offers = {}
    client:on("remote_config", function(event)
      offers[#offers + 1] = event
      return "applied"
    end)
    agents.connect(client)
    server:offer({ a = "1" }, client)
    status(client, "APPLIED")
    server:offer({ a = "1" }, client)
    server:offer({ a = "2" }, client)
    agents.await(client, offers, 2)
    assert.equal("2", offers[2].files.a.body)
    assert(client:forget_offer("remote_config"))
    server:offer({ a = "2" }, client)
    assert.equal("2", agents.await(client, offers, 3).files.a.body)
  end)

  -- Covers: OFFER-7
  it("that was applied asks for the configuration in effect", function()
    local client = new()
    client:on("remote_config", function() return "applied" end)
    local wanted = agents.record(client, "effective_config_wanted")
    client:on("effective_config_wanted", function(_, self)
      assert(self:set_effective_config({ now = "y" }))
    end)
    agents.connect(client)
    local before = #wanted
    server:offer({ a = "1" }, client)
    agents.await(client, wanted, before + 1)
    assert.equal("eQ==", server:message(client, "effective_config")
      .effective_config.config_map.config_map.now.body)
    assert.equal(0, client:handler_errors())
  end)

  it("may have no files", function()
    local client = new()
    local offers = agents.record(client, "remote_config")
    agents.connect(client)
    server:send({ instance_uid = agents.uid(client), remote_config = {
      config_hash = "01" } }, client)
    assert.same({}, agents.await(client, offers).files)
    assert.equal("\1", offers[1].hash)
  end)

  it("can be answered after its client was closed, without effect", function()
    local client = new()
    local offers = agents.record(client, "remote_config")
    agents.connect(client)
    server:offer({ a = "1" }, client)
    local offer = agents.await(client, offers)
    client:close()
    local ok, message, code = offer:accept()
    assert.is_nil(ok)
    assert.is_string(message)
    assert.is_string(code)
    assert.equal("1", opamp.decode("ServerToAgent", offer.raw)
      .remote_config.files.a.body)
  end)

  it("is answered by methods that know events", function()
    local client = new()
    local seen = agents.record(client, "connected", "remote_config")
    agents.connect(client)
    for _, method in ipairs({ "accept", "reject", "defer" }) do
      assert.matches("an offer expected",
        agents.raised(seen[1][method], seen[1]))
      assert.matches("table expected", agents.raised(seen[1][method], 5))
    end
    assert.is_nil(seen[1].raw)
    server:offer({ a = "1" }, client)
    local offer = agents.await(client, seen, 2)
    assert.matches("string expected", agents.raised(offer.reject, offer, 5))
    assert.matches("zero byte", agents.raised(offer.reject, offer, "a\0b"))
    local ok, _, code = offer:reject("\255")
    assert.is_nil(ok)
    assert.equal("utf8", code)
    for _, method in ipairs({ "opened", "written", "alive", "loaded", "saved",
      "failed", "closed", "received" }) do
      assert.matches("event of another kind",
        agents.raised(offer[method], offer, "x"))
    end
    assert.is_true(offer:accept())
    assert.is_nil(offer.nothing)
    assert.is_nil(offer[1])
  end)
end)

describe("an offer of connection settings", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  local function new()
    return agents.connect(agents.new({
      url = server:url(), capabilities = SETTINGS }))
  end

  local function status(client, wanted)
    return server:message(client, function(message)
      local said = message.connection_settings_status
      return said and said.status == wanted
    end).connection_settings_status
  end

  local offered = {
    own_metrics = {
      destination_endpoint = "https://metrics/",
      headers = { Authorization = "SECRET" },
      tls = { min_version = "1.3", cipher_suites = { "A", "B" } },
    },
    other_connections = {
      db = { other_settings = { user = "x" }, destination_endpoint = "db:1" },
    },
  }

  -- Covers: SET-1
  it("is handed out and answered", function()
    local client = new()
    local offers = {}
    client:on("connection_settings", function(event)
      offers[#offers + 1] = event
      return "applied"
    end)
    local stati = agents.record(client, "connection_settings_status")
    server:command("offer_settings", offered, client)
    status(client, "APPLIED")
    local offer = offers[1]
    assert.is_nil(offer.own_logs)
    assert.equal("https://metrics/", offer.own_metrics.destination_endpoint)
    assert.same({ { name = "Authorization", value = "SECRET" } },
      offer.own_metrics.headers)
    assert.same({ "A", "B" }, offer.own_metrics.tls.cipher_suites)
    assert.same({ user = "x" }, offer.other_connections.db.other_settings)
    assert.is_nil(offer.text:find("SECRET", 1, true))
    assert.equal(offer.hash, opamp.decode("ServerToAgent", offer.raw)
      .connection_settings.hash)
    agents.drive(client, function() return #stati > 0 end)
    assert.equal(offer.hash, stati[#stati].hash)
  end)

  it("fails when the handler does", function()
    local client = new()
    client:on("connection_settings", function() error("no", 0) end)
    client:on("error", function() end)
    server:command("offer_settings", offered, client)
    assert.equal("no", status(client, "FAILED").error_message)
    assert.equal(1, client:handler_errors())
  end)

  it("is answered later", function()
    local client = new()
    local offers = {}
    client:on("connection_settings", function(event)
      offers[#offers + 1] = event
      return "applying"
    end)
    server:command("offer_settings", offered, client)
    status(client, "APPLYING")
    assert(client:set_connection_settings_status(offers[1].hash, "failed",
      "no"))
    assert.equal("no", status(client, "FAILED").error_message)
  end)

  -- Covers: SET-3, SET-4
  it("moves a client to another server", function()
    local other = agents.own(peer.start())
    local client = new()
    client:on("connection_settings", function(event) event:accept() end)
    server:command("offer_settings",
      { opamp = { destination_endpoint = other:url() } }, client)
    other:message(client)
    server:message(client, "agent_disconnect")
    agents.drive(client, function()
      return client:endpoint() == other:url()
    end)
  end)

  -- Covers: STATE-8
  it("sets the interval of heartbeats", function()
    local client = new()
    local intervals = agents.record(client, "heartbeat_interval")
    server:command("offer_settings",
      { opamp = { heartbeat_interval_seconds = 7 } }, client)
    assert.equal(7, agents.await(client, intervals).interval)
  end)
end)
