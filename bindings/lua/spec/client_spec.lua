-- SPDX-License-Identifier: Apache-2.0

-- A client against a real server: its life, and what it reports.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")

local CAPABILITIES = {
  "ReportsEffectiveConfig",
  "ReportsRemoteConfig",
  "AcceptsRemoteConfig",
}

describe("a client", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  local function new(options)
    options = options or {}
    options.capabilities = options.capabilities or CAPABILITIES
    return agents.at(server, options)
  end

  for _, scheme in ipairs({ "ws", "http" }) do
    -- Covers: CONN-1, CONN-9, STATE-1
    it("connects, reports and says good-bye, over " .. scheme, function()
      local client = new({
        scheme = scheme,
        identifying = { ["service.name"] = "edge", n = 3, ok = true },
        non_identifying = { tags = { "a", 1.5, opamp.null } },
      })
      assert.equal("stopped", client:state())
      local events = agents.record(client, "connecting", "connected", "stopped")
      agents.connect(client)
      assert.equal("connecting", events[1].kind)
      assert.equal(1, events[1].attempt)
      assert.equal(server:url(scheme), events[1].url)
      assert.equal("connected", events[2].kind)
      assert.equal(client, events[2].client)
      assert(client:set_health({ healthy = true, status = "fine" }))
      local health = server:message(client, "health").health
      assert.equal("fine", health.status)
      assert.is_true(client:server_capabilities().AcceptsStatus)
      assert.is_true(client:stop({ wait = 20 }))
      assert.equal("stopped", client:state())
      assert.equal("stopped", events[3].kind)
      assert.is_true(events[3].disconnect_sent)
      server:message(client, "agent_disconnect")
      local messages = server:messages(agents.uid(client))
      for i, message in ipairs(messages) do
        assert.equal(i - 1, message.sequence_num or 0)
      end
      local said = {}
      for _, pair in ipairs(
        messages[1].agent_description.identifying_attributes) do
        said[pair.key] = pair.value
      end
      assert.same({ string_value = "edge" }, said["service.name"])
      assert.same({ int_value = 3 }, said.n)
      assert.same({ bool_value = true }, said.ok)
      assert.same("tags",
        messages[1].agent_description.non_identifying_attributes[1].key)
    end)
  end

  it("may stop without a word", function()
    local client = agents.connect(new())
    local stopped = agents.record(client, "stopped")
    assert.is_true(client:stop({ disconnect = false, wait = 20 }))
    assert.is_false(stopped[1].disconnect_sent)
    local uid = agents.uid(client)
    assert.is_false(server:ended(uid, server:connection(uid)))
  end)

  it("stops at once when there is nothing to wait for", function()
    local client = new()
    assert.is_true(client:stop())
    assert.is_true(client:stop({ wait = 0 }))
    assert.equal("stopped", client:state())
    agents.connect(client)
    assert.is_true(client:stop())
    assert.is_true(client:stop())
    agents.drive(client, function() return client:state() == "stopped" end)
  end)

  -- Covers: STATE-1
  it("may be started again", function()
    local client = new()
    for turn = 1, 3 do
      assert.is_true(client:start())
      assert.is_true(client:start())
      agents.connect(client)
      assert.is_true(client:stop({ wait = 20 }))
      server:message(client, "agent_disconnect", turn)
    end
    local last = -1
    for _, message in ipairs(server:messages(agents.uid(client))) do
      assert.equal(last + 1, message.sequence_num or 0)
      last = last + 1
    end
    assert.equal(last, client:sequence_num())
  end)

  for _, scheme in ipairs({ "ws", "http" }) do
    it("reports what is set, over " .. scheme, function()
      local client = agents.connect(new({
        scheme = scheme,
        capabilities = { "ReportsEffectiveConfig", "ReportsPackageStatuses",
          "ReportsAvailableComponents", "AcceptsPackages" },
      }))
      assert(client:set_description({ identifying = { a = "1" } }))
      server:message(client, function(m)
        return m.agent_description
          and m.agent_description.identifying_attributes
          and m.agent_description.identifying_attributes[1].value.string_value
            == "1"
      end)
      assert(client:set_effective_config({ ["a.yaml"] = "x: 1",
        b = { body = "\255", content_type = "text/x", role = "r" } }))
      local map = server:message(client, "effective_config")
        .effective_config.config_map.config_map
      assert.equal("eDogMQ==", map["a.yaml"].body)
      assert.same({ body = "/w==", content_type = "text/x", role = "r" }, map.b)
      assert(client:set_package_statuses({ packages = { p = {
        name = "p", agent_has_version = "1", status = "installed" } },
        server_provided_all_packages_hash = "\1" }))
      assert.equal("1", server:message(client, "package_statuses")
        .package_statuses.packages.p.agent_has_version)
      assert(client:set_available_components({ components = { receiver = {
        metadata = { v = "1" }, components = { otlp = {} } } } }))
      assert.is_string(server:message(client, "available_components")
        .available_components.hash)
      assert(client:set_health({ healthy = false, last_error = "no",
        start_time = 1700000000, components = { x = { healthy = true } },
        attributes = { a = { 1, 2 } } }))
      local health = server:message(client, "health").health
      assert.equal("no", health.last_error)
      assert.is_true(health.component_health_map.x.healthy)
      assert.equal(1700000000000000000, health.start_time_unix_nano)
    end)
  end

  -- Covers: STATE-3, STATE-12
  it("reports what was set before it started, in one message", function()
    local client = new()
    assert(client:set_health({ healthy = true, status = "early" }))
    assert(client:set_effective_config({ a = "b" }))
    assert.is_true(client:undelivered().health)
    assert.is_true(client:undelivered().effective_config)
    client:start()
    local first = server:message(client)
    assert.equal("early", first.health.status)
    assert.is_table(first.effective_config)
    agents.drive(client, function()
      return next(client:undelivered()) == nil
    end)
  end)

  -- Covers: STATE-12
  it("holds back what shall go together", function()
    local client = agents.connect(new())
    local delivered = agents.record(client, "delivered")
    local before = client:sequence_num()
    assert(client:hold())
    assert(client:set_health({ healthy = true, status = "held" }))
    assert(client:hold())
    assert(client:set_effective_config({ a = "b" }))
    assert(client:release())
    client:step()
    assert.is_true(client:undelivered().health)
    assert(client:release())
    local message = server:message(client, "health")
    assert.is_table(message.effective_config)
    assert.equal(before + 1, message.sequence_num)
    assert(client:flush())
    assert.equal(client:sequence_num(),
      agents.await(client, delivered).sequence_num)
    assert.same({}, client:undelivered())
    local ok, text, code = client:release()
    assert.is_nil(ok)
    assert.is_string(text)
    assert.equal("state", code)
  end)

  it("takes messages that are packed", function()
    local client = agents.connect(new())
    assert(client:queue_raw(opamp.encode("AgentToServer",
      { health = { healthy = true, status = "raw" } })))
    assert.equal("raw", server:message(client, "health").health.status)
    local ok, text, code = client:queue_raw("\255")
    assert.is_nil(ok)
    assert.is_string(text)
    assert.is_string(code)
  end)

  -- Covers: STATE-7
  it("sends heartbeats", function()
    local client = agents.connect(new())
    assert(client:set_heartbeat(0.05))
    agents.drive(client, function()
      return client:counters().heartbeats >= 2
    end)
    for _, seconds in ipairs({ -1, 0 / 0, 1e30, 1e6 }) do
      local ok, text, code = client:set_heartbeat(seconds)
      assert.is_nil(ok)
      assert.equal("invalid", code)
      assert.is_string(text)
    end
  end)

  -- Covers: STATE-10
  it("changes its capabilities while it runs", function()
    local client = agents.connect(new())
    assert(client:set_capabilities({ "AcceptsRestartCommand" }))
    server:message(client, function(message)
      for _, name in ipairs(message.capabilities) do
        if name == "AcceptsRestartCommand" then
          return true
        end
      end
    end)
    assert.is_nil(client:capabilities().AcceptsRemoteConfig)
    assert(client:set_capabilities({ ReportsHealth = false }))
    assert.is_nil(client:capabilities().ReportsHealth)
  end)

  it("tells its adapter before it is closed, while it is still open", function()
    local client = new()
    local calls = {}
    local fd = assert(client:attach(function() calls[#calls + 1] = "first" end))
    assert.equal(client:fd(), fd)
    assert(client:step())
    assert.not_equal("stopped", client:state())
    assert.same({}, calls)
    assert.equal(fd, client:attach(function()
      assert(not client:is_closed())
      calls[#calls + 1] = client:fd()
      client:close() -- does no harm
    end))
    assert.same({ "first" }, calls) -- let go
    client:close()
    client:close()
    assert.same({ "first", fd }, calls)
    assert.matches("attach: it is closed",
      agents.raised(client.attach, client, print), 1, true)
    assert.matches("attach: a function expected, not number",
      agents.raised(client.attach, new(), 5), 1, true)
  end)

  it("tells the adapter of its loop, too", function()
    local calls = {}
    local loop = agents.own(assert(opamp.loop()))
    local client = new({ loop = loop })
    client:attach(function() calls[#calls + 1] = "client" end)
    loop:attach(function() calls[#calls + 1] = "loop" end)
    loop:close()
    assert.same({ "client", "loop" }, calls)
    assert.is_true(client:is_over())
    client = new()
    client:loop():attach(function() calls[#calls + 1] = "its own" end)
    client:close()
    assert.same({ "client", "loop", "its own" }, calls)
  end)

  it("gives what is nil back as nothing", function()
    local client = agents.connect(new())
    assert(client:set_health({ healthy = true }))
    server:message(client, "health")
    assert(client:set_health(nil))
    assert(client:set_effective_config({}))
    assert(client:flush())
    assert.equal(0, client:handler_errors())
  end)
end)

describe("what a client tells", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  it("changes as it connects", function()
    local client = agents.new({ url = server:url() })
    assert.is_nil(client:sequence_num())
    assert.is_nil(client:next_retry())
    assert.equal("", client:last_error())
    assert.equal("", client:remote_config_hash())
    assert.same({}, client:server_capabilities())
    assert.same({}, client:server_custom_capabilities())
    assert.same({}, client:parked())
    assert.equal("opamp.client: stopped", tostring(client))
    agents.connect(client)
    assert.equal("opamp.client: connected", tostring(client))
    assert.is_true(client:state_since() >= 0)
    assert.equal(server:url(), client:endpoint())
    assert.is_true(client:server_capabilities().OffersRemoteConfig)
    local uid = agents.uid(client)
    assert(client:set_custom_capabilities({ "com.example.x" }))
    server:send({ instance_uid = uid, custom_capabilities = {
      capabilities = { "com.example.x", "com.example.y" } } }, client)
    agents.drive(client, function()
      return #client:server_custom_capabilities() == 2
    end)
    assert.same({ "com.example.x", "com.example.y" },
      client:server_custom_capabilities())
  end)

  it("has counters by name", function()
    local client = agents.new({ url = server:url() })
    for name, value in pairs(client:counters()) do
      assert.equal(0, value, name)
    end
    agents.connect(client)
    local counters = client:counters()
    assert.equal(1, counters.connects)
    assert.is_true(counters.messages_sent >= 1)
    assert.is_true(counters.bytes_received > 0)
    for _, name in ipairs({ "messages_sent", "messages_received", "bytes_sent",
      "bytes_received", "connects", "connect_failures", "disconnects",
      "heartbeats", "bad_messages", "server_errors", "parked", "offers",
      "full_states", "dropped_events" }) do
      assert.is_number(counters[name], name)
    end
  end)

  it("are descriptor and timeout for other loops", function()
    local client = agents.new({ url = server:url() })
    local fd = client:fd()
    assert.is_true(fd > 2)
    assert.equal(fd, client:loop():fd())
    agents.connect(client)
    assert.equal(fd, client:fd())
    local timeout = client:timeout()
    assert.is_true(timeout >= 0 and timeout <= 45)
    assert.is_true(client:loop():timeout() <= timeout)
  end)

  -- Covers: CONN-2, CONN-3
  it("is how it fails to connect", function()
    local client = agents.new({ url = "ws://127.0.0.1:1/x" })
    local failed = agents.record(client, "connect_failed")
    assert.is_true(client:start())
    local event = agents.await(client, failed)
    assert.equal("transport", event.code)
    assert.is_string(event.error)
    assert.matches("127.0.0.1", event.error, 1, true)
    assert.is_true(event.retry_in > 0)
    assert.equal(0, event.http_status)
    assert.equal("waiting", client:state())
    assert.is_true(client:next_retry() <= event.retry_in)
    assert.is_true(#client:last_error() > 0)
    assert.is_true(client:stop({ wait = 20 }))
  end)

  -- Covers: HTTP-7
  it("is the status of a refused request", function()
    for _, scheme in ipairs({ "ws", "http" }) do
      server:command("respond", { http_status = 500, times = 1 })
      local client = agents.new({ url = server:url(scheme) })
      local failed = agents.record(client, "connect_failed")
      client:start()
      assert.equal(500, agents.await(client, failed).http_status)
      client:close()
    end
  end)

  it("is how a connection ends", function()
    local client = agents.connect(agents.new({ url = server:url() }))
    local lost = agents.record(client, "disconnected")
    server:command("close", { code = 1001, reason = "maintenance" }, client)
    local event = agents.await(client, lost)
    assert.equal(1001, event.close_code)
    assert.matches("maintenance", event.error)
    assert.is_string(event.code)
    assert.is_true(event.retry_in >= 0)
  end)

  it("are its messages, when they are traced", function()
    local client = agents.new({ url = server:url(), trace_messages = true })
    local sent = agents.record(client, "message_sent")
    local received = agents.record(client, "message_received")
    client:start()
    local event = agents.await(client, received)
    assert.is_true(event.fields.capabilities)
    assert.is_true(event.size > 0)
    assert.equal(client:instance_uid(), event.message.instance_uid)
    assert.is_true(event.message.capabilities.AcceptsStatus)
    assert.equal(0, sent[1].sequence_num)
    assert.is_true(sent[1].fields.agent_description)
    assert.is_true(sent[1].size > 0)
    assert.is_nil(sent[1].raw)
    assert.equal(event.message.instance_uid,
      opamp.decode("ServerToAgent", event.raw).instance_uid)
  end)

  it("are log records", function()
    local client = agents.new({
      url = "ws://127.0.0.1:1/", log_level = "debug" })
    local logs = agents.record(client, "log")
    client:start()
    local log = agents.await(client, logs)
    assert.is_string(log.message)
    assert.is_true(({ error = true, warn = true, info = true, debug = true })
      [log.level])
    assert.matches(log.message, log.text, 1, true)
  end)

  -- Covers: HTTP-7
  it("is that it wants other credentials", function()
    local client = agents.new({ url = server:url(),
      headers = { ["X-Token"] = "old" } })
    client:on("credentials_wanted", function(event)
      assert.equal(401, event.http_status)
      assert(client:set_headers({ { "X-Token", "new" } }))
    end)
    server:command("respond", { http_status = 401, times = 1 })
    client:start()
    local uid = agents.uid(client)
    local headers = server:wait(client, function(e)
      return e.event == "connected" and e.headers["OpAMP-Instance-UID"] == uid
    end).headers
    assert.equal("new", headers["X-Token"])
    assert.equal(0, client:handler_errors())
    local ok, text, code = client:set_headers({ A = "SECRET\n" })
    assert.is_nil(ok)
    assert.equal("invalid", code)
    assert.is_nil(text:find("SECRET", 1, true))
  end)
end)

describe("driving", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  it("by poll calls no handler and gives a list", function()
    local client = agents.new({ url = server:url() })
    client:on("other", function() error("called") end)
    assert.same({}, client:poll())
    client:start()
    local kinds = {}
    repeat
      for _, event in ipairs(assert(client:poll(20))) do
        kinds[#kinds + 1] = event.kind
        assert.equal(client, event.client)
      end
    until client:state() == "connected"
    assert.same({ "connecting", "connected" }, { kinds[1], kinds[2] })
    assert.equal(0, client:handler_errors())
  end)

  it("by poll waits no longer than it shall", function()
    local client = agents.new({ url = server:url() })
    assert.same({}, client:poll(0))
    assert.same({}, client:poll(0.01))
    assert.same({}, client:poll(-1))
    assert.same({}, client:poll(0 / 0))
  end)

  it("by step tells how many events were handled", function()
    local client = agents.new({ url = server:url() })
    local seen = agents.record(client, "connecting")
    assert.equal(0, client:step())
    client:start()
    local handled = 0
    repeat
      handled = handled + client:step()
    until handled > 0
    assert.equal(1, #seen)
  end)

  it("by run ends when it shall", function()
    local client = agents.new({ url = server:url() })
    assert.is_true(client:run({ until_ = function(self)
      return self:state() == "connected"
    end, timeout = 20 }))
    local ok, message, code = client:run({ timeout = 0 })
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("timeout", code)
    client:on("delivered", function() client:stop() end)
    client:flush()
    assert.is_true(client:run())
    assert.equal("stopped", client:state())
  end)

  it("by run ends when a handler closes the client", function()
    local client = agents.new({ url = server:url() })
    client:on("connected", function() client:close() end)
    assert.is_true(client:run({ timeout = 20 }))
    assert.is_true(client:is_closed())
  end)
end)
