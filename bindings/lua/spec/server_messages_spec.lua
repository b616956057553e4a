-- SPDX-License-Identifier: Apache-2.0

-- What else a server sends: custom messages, packages, commands, errors, uids.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")

local CAPABILITY = "com.example.echo"

describe("custom messages", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  -- Covers: STATE-14
  for _, scheme in ipairs({ "ws", "http" }) do
    it("go both ways, over " .. scheme, function()
      local client = agents.new({
        url = server:url(scheme), poll_interval = 0.05 })
      assert(client:set_custom_capabilities({ CAPABILITY }))
      local got = agents.record(client, "custom_message")
      agents.connect(client)
      assert(client:send_custom(CAPABILITY, "ping", "\0\1"))
      assert.same({ capability = CAPABILITY, type = "ping", data = "AAE=" },
        server:message(client, "custom_message").custom_message)
      server:send({ instance_uid = agents.uid(client), custom_message = {
        capability = CAPABILITY, type = "pong", data = "AgM=" } }, client)
      local event = agents.await(client, got)
      assert.equal(CAPABILITY, event.capability)
      assert.equal("pong", event.type)
      assert.equal("\2\3", event.data)
      assert.same({ capability = CAPABILITY, type = "pong", data = "\2\3" },
        opamp.decode("ServerToAgent", event.raw).custom_message)
    end)
  end

  it("are queued in order, up to a limit", function()
    local client = agents.new({ url = server:url(), custom_queue = 2 })
    assert(client:set_custom_capabilities({ CAPABILITY }))
    assert.equal(2, client:custom_room())
    assert(client:send_custom(CAPABILITY, "1"))
    assert(client:send_custom(CAPABILITY, "2", nil))
    assert.equal(0, client:custom_room())
    local ok, message, code = client:send_custom(CAPABILITY, "3")
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("full", code)
    agents.connect(client)
    assert.equal("1", server:message(client, "custom_message", 1)
      .custom_message.type)
    assert.equal("2", server:message(client, "custom_message", 2)
      .custom_message.type)
    agents.drive(client, function() return client:custom_room() == 2 end)
  end)

  it("need a capability that was declared", function()
    local client = agents.new({ url = server:url() })
    local ok, message, code = client:send_custom(CAPABILITY, "x")
    assert.is_nil(ok)
    assert.matches("not declared", message)
    assert.equal("invalid", code)
  end)
end)

describe("packages", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  -- Covers: STATE-5
  it("are offered, and what became of them is reported", function()
    local client = agents.new({ url = server:url(), capabilities = {
      "AcceptsPackages", "ReportsPackageStatuses",
      "ReportsAvailableComponents" } })
    assert(client:set_available_components({ hash = "h", components = {
      receiver = { metadata = { v = "1" }, components = { otlp = {} } } } }))
    local offers = {}
    client:on("packages", function(event)
      offers[#offers + 1] = event
      local statuses = {}
      for name, package in pairs(event.packages) do
        statuses[name] = {
          name = name,
          agent_has_version = package.version,
          agent_has_hash = package.hash,
          status = "installed",
        }
      end
      assert(client:set_package_statuses({
        packages = statuses,
        server_provided_all_packages_hash = event.all_packages_hash,
      }))
    end)
    agents.connect(client)
    assert.is_string(server:message(client, "available_components")
      .available_components.hash)
    local uid = agents.uid(client)
    server:send({ instance_uid = uid, packages_available = {
      packages = { p = { version = "1.2", hash = "01", type = "Addon",
        file = { download_url = "u", headers = { headers = {
          { key = "A", value = "b" } } } } } },
      all_packages_hash = "02" } }, client)
    local said = server:message(client, "package_statuses").package_statuses
    assert.equal("1.2", said.packages.p.agent_has_version)
    assert.equal(1, #offers)
    local package = offers[1].packages.p
    assert.equal("\1", package.hash)
    assert.equal("addon", package.type)
    assert.equal("u", package.file.download_url)
    assert.same({ { name = "A", value = "b" } }, package.file.headers)
    assert.equal("\2", offers[1].all_packages_hash)
    server:send({ instance_uid = uid, flags = 2 }, client)
    server:message(client, function(message)
      return message.available_components
        and message.available_components.components
    end)
    assert.equal(0, client:handler_errors())
  end)
end)

describe("a server", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  -- Covers: OFFER-8
  it("commands a restart", function()
    local client = agents.connect(agents.new({ url = server:url(),
      capabilities = { "AcceptsRestartCommand" } }))
    local commands = agents.record(client, "command")
    server:send({ instance_uid = agents.uid(client),
      command = { type = "Restart" } }, client)
    assert.equal("restart", agents.await(client, commands).type)
  end)

  -- Covers: STATE-9
  it("gives another instance uid", function()
    local client = agents.connect(agents.new({ url = server:url() }))
    local identities = agents.record(client, "identity")
    local before = client:instance_uid()
    local after = "017f22e2-79b0-4cc3-98c4-dc0c0c07398f"
    server:send({ instance_uid = agents.uid(client),
      agent_identification = { new_instance_uid = after } }, client)
    local event = agents.await(client, identities)
    assert.equal(before, event.previous)
    assert.equal(opamp.uid_bytes(after), event.instance_uid)
    assert.equal(event.instance_uid, client:instance_uid())
    assert.equal(after, agents.uid(client))
    server:message(client, "agent_description")
  end)

  -- Covers: CONN-6
  it("is not available for a while", function()
    local client = agents.connect(agents.new({ url = server:url() }))
    local errors = agents.record(client, "server_error")
    server:command("error", { type = "Unavailable", message = "later",
      retry_after_ms = 20 }, client)
    local event = agents.await(client, errors)
    assert.equal("unavailable", event.type)
    assert.equal("later", event.error_message)
    assert.is_true(event.retry_in >= 0.02 and event.retry_in < 5)
    assert.equal("later", opamp.decode("ServerToAgent", event.raw)
      .error_response.error_message)
    assert.equal(1, client:counters().server_errors)
    agents.drive(client, function() return client:state() == "connected" end)
  end)

  -- Covers: CONN-7, STATE-15
  it("refuses what it cannot take", function()
    local own = agents.own(peer.start())
    local client = agents.connect(agents.new({ url = own:url() }))
    local parked = agents.record(client, "parked")
    own:command("auto_reply", { off = true })
    assert(client:set_health({ healthy = true }))
    own:message(client, "health")
    own:command("error", { type = "BadRequest", message = "no" }, client)
    local event = agents.await(client, parked)
    assert.same({ health = true }, event.fields)
    assert.same({ health = true }, client:parked())
  end)

  -- Covers: WIRE-4
  it("sends what is no message", function()
    local client = agents.connect(agents.new({ url = server:url() }))
    local bad = agents.record(client, "bad_message")
    server:command("garbage", { base64 = "AP//" }, client)
    local event = agents.await(client, bad)
    assert.is_string(event.error)
    assert.is_string(event.code)
    assert.is_true(client:counters().bad_messages >= 1)
  end)

  -- Covers: STATE-4
  it("asks for all", function()
    local client = agents.connect(agents.new({ url = server:url(),
      identifying = { a = "b" } }))
    server:send({ instance_uid = agents.uid(client), flags = 1 }, client)
    server:message(client, "agent_description", 2)
    assert.is_true(client:counters().full_states >= 1)
  end)

  -- Covers: SET-7
  it("issues certificates", function()
    local shell = require("support.shell")
    local authority = require("support.authority")
    local folder = shell.folder()
    finally(function()
      agents.close()
      shell.remove(folder)
    end)
    local ca = authority.make(folder .. "/ca")
    local issuer = agents.own(peer.start("--tls-cert", ca .. "/server.pem",
      "--tls-key", ca .. "/server.key", "--client-ca", ca .. "/ca.pem",
      "--client-ca-optional", "--issue-certificates",
      ca .. "/ca.pem," .. ca .. "/ca.key"))
    local client = agents.new({
      url = issuer:url(),
      tls = { ca = ca .. "/ca.pem" },
      state_dir = folder .. "/state",
      capabilities = { "AcceptsOpAMPConnectionSettings" },
    })
    agents.connect(client)
    assert(client:request_certificate())
    local shown = issuer:wait(client, function(e)
      return e.event == "connected" and e.tls.client_certificate
    end).tls.client_certificate
    assert.matches(agents.uid(client), shown.subject, 1, true)
    local other = agents.new({ url = issuer:url() })
    local ok, message, code = other:request_certificate()
    assert.is_nil(ok)
    assert.is_string(message)
    assert.is_string(code)
  end)
end)
