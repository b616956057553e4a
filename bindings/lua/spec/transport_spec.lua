-- SPDX-License-Identifier: Apache-2.0

-- A transport in Lua: the application carries the messages.

local agents = require("support.agents")
local opamp = require("opamp")

-- What a server answers to a message.
local function answer(message, more)
  local request = assert(opamp.decode("AgentToServer", message))
  local reply = { instance_uid = request.instance_uid,
    capabilities = { AcceptsStatus = true } }
  for field, value in pairs(more or {}) do
    reply[field] = value
  end
  return assert(opamp.encode("ServerToAgent", reply)), request
end

describe("a transport in Lua over http", function()
  after_each(agents.close)

  it("posts messages and gets answers", function()
    local client = agents.new({
      url = "http://bus/v1/opamp",
      own_transport = true,
      poll_interval = 0.01,
      capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" },
    })
    local offer = { remote_config = {
      files = { a = "b" }, hash = "\1" } }
    local requests = {}
    client:on("transport_send", function(event)
      assert(event.url == "http://bus/v1/opamp")
      local reply, request = answer(event.message,
        #requests == 1 and offer or nil)
      requests[#requests + 1] = request
      assert(event:received(reply))
    end)
    client:on("remote_config", function() return "applied" end)
    client:start()
    agents.drive(client, function()
      local last = requests[#requests]
      return last and last.remote_config_status
        and last.remote_config_status.status == "applied"
    end)
    assert.equal("connected", client:state())
    for i, request in ipairs(requests) do
      assert.equal(i - 1, request.sequence_num)
      assert.equal(client:instance_uid(), request.instance_uid)
    end
    assert.is_true(client:stop({ wait = 20 }))
    assert.is_true(requests[#requests].agent_disconnect)
    assert.equal(0, client:handler_errors())
  end)

  -- Covers: HTTP-6, HTTP-7
  it("tells of failures", function()
    local client = agents.new({ url = "http://bus/", own_transport = true })
    local failed = agents.record(client, "connect_failed")
    client:on("transport_send", function(event)
      assert(event:closed({ status = 503, retry_after = 7, text = "busy" }))
    end)
    client:start()
    local event = agents.await(client, failed)
    assert.equal(503, event.http_status)
    assert.is_true(event.retry_in >= 7 and event.retry_in < 15)
    assert.matches("busy", event.error)
    assert.equal(0, client:handler_errors())
  end)

  it("may answer later", function()
    local client = agents.new({ url = "http://bus/", own_transport = true })
    local sent = agents.record(client, "transport_send")
    client:start()
    local event = agents.await(client, sent)
    assert.equal("connecting", client:state())
    assert(event:received((answer(event.message))))
    agents.drive(client, function() return client:state() == "connected" end)
  end)
end)

describe("a transport in Lua over ws", function()
  after_each(agents.close)

  local client

  local function next_of(kind)
    while true do
      for _, event in ipairs(assert(client:poll(20))) do
        if event.kind == kind then
          return event
        end
      end
    end
  end

  it("has connections that are opened, written and closed", function()
    client = agents.new({ url = "ws://bus/topic", own_transport = true })
    client:start()
    local opening = next_of("transport_open")
    assert.equal("ws://bus/topic", opening.url)
    assert.is_number(opening.connection)
    assert(opening:opened())
    local sending = next_of("transport_send")
    assert.equal(opening.connection, sending.connection)
    assert.equal("\0", sending.message:sub(1, 1))
    local reply, request = answer(sending.message:sub(2))
    assert.equal(client:instance_uid(), request.instance_uid)
    assert(sending:written())
    assert(sending:received("\0" .. reply))
    assert(sending:alive())
    next_of("delivered")
    assert(client:set_health({ healthy = true }))
    local health = next_of("transport_send")
    assert.is_true(opamp.decode("AgentToServer", health.message:sub(2))
      .health.healthy)
    assert(health:written())
    assert(health:closed({ code = "closed", status = 1001,
      text = "the bus stops" }))
    local lost = next_of("disconnected")
    assert.equal(1001, lost.close_code)
    assert.equal("closed", lost.code)
    assert.matches("the bus stops", lost.error)
    assert(sending:written()) -- too late, and without effect
  end)

  it("is told to close", function()
    client = agents.new({ url = "ws://bus", own_transport = true })
    client:start()
    local opening = next_of("transport_open")
    opening:opened()
    local sending = next_of("transport_send")
    sending:written()
    assert(sending:received("\0" .. answer(sending.message:sub(2))))
    next_of("delivered")
    client:stop()
    local last = next_of("transport_send")
    assert.is_true(opamp.decode("AgentToServer", last.message:sub(2))
      .agent_disconnect)
    last:written()
    local close = next_of("transport_close")
    assert.equal(opening.connection, close.connection)
    assert.is_number(close.close_code)
    assert(close:closed())
    next_of("stopped")
  end)

  it("is asked whether the server is there", function()
    client = agents.new({ url = "ws://bus", own_transport = true,
      ping_interval = 0.02 })
    client:start()
    next_of("transport_open"):opened()
    local sending = next_of("transport_send")
    sending:written()
    sending:received("\0" .. answer(sending.message:sub(2)))
    assert(next_of("transport_ping"):alive())
    assert(next_of("transport_ping"):alive())
    assert.equal("connected", client:state())
  end)

  it("has methods that know what they get", function()
    client = agents.new({ url = "ws://bus", own_transport = true })
    client:start()
    local event = next_of("transport_open")
    assert.matches("string expected", agents.raised(event.received, event, 5))
    assert.matches("string expected", agents.raised(event.received, event))
    assert.matches("table expected", agents.raised(event.closed, event, 5))
    assert.matches("'nothing'",
      agents.raised(event.closed, event, { code = "nothing" }))
    assert.matches("'oops'", agents.raised(event.closed, event, { oops = 1 }))
    for _, why in ipairs({ { status = "x" }, { retry_after = "x" },
      { text = 5 }, { code = 5 } }) do
      assert.is_string(agents.raised(event.closed, event, why))
    end
    assert.matches("event of another kind", agents.raised(event.saved, event))
    assert.matches("an offer expected", agents.raised(event.accept, event))
    client:close()
    for _, method in ipairs({ "opened", "written", "alive", "closed" }) do
      local ok, message, code = event[method](event)
      assert.is_nil(ok)
      assert.equal("the client is closed", message)
      assert.equal("state", code)
    end
    assert.is_nil((event:received("x")))
  end)

  it("is the only one that such methods are for", function()
    client = agents.new({ url = "ws://bus", own_transport = true })
    client:start()
    local event = next_of("transport_open")
    local other = agents.new({ url = "ws://127.0.0.1:1" })
    local ok, _, code = event.opened({ client = other, connection = 1 })
    assert.is_nil(ok)
    assert.equal("state", code)
    assert(event:opened())
  end)
end)
