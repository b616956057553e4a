-- SPDX-License-Identifier: Apache-2.0

-- Several clients on one loop.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")

describe("a loop", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  local function clients_on(loop, count)
    local clients = {}
    for i = 1, count do
      clients[i] = agents.new({ url = server:url(), loop = loop })
      assert(clients[i]:start())
    end
    return clients
  end

  local function all(clients, state)
    return function()
      for _, client in ipairs(clients) do
        if client:state() ~= state then
          return false
        end
      end
      return true
    end
  end

  it("does the work of its clients", function()
    local loop = agents.own(assert(opamp.loop()))
    local clients = clients_on(loop, 20)
    local stopped = {}
    for _, client in ipairs(clients) do
      assert.equal(loop, client:loop())
      assert.equal(loop:fd(), client:fd())
      client:on("stopped", function(event, self)
        assert(event.client == self)
        stopped[self] = true
      end)
    end
    assert.is_true(loop:run({ until_ = all(clients, "connected"),
      timeout = 20 }))
    for _, client in ipairs(clients) do
      assert.is_true(client:stop())
    end
    assert.is_true(loop:run({ until_ = all(clients, "stopped"), timeout = 20 }))
    for _, client in ipairs(clients) do
      assert.is_true(stopped[client])
      server:message(client, "agent_disconnect")
    end
  end)

  it("is stepped by each of its clients", function()
    local loop = agents.own(assert(opamp.loop()))
    local clients = clients_on(loop, 3)
    agents.drive(clients[2], all(clients, "connected"))
  end)

  it("gives the events of all when polled", function()
    local loop = agents.own(assert(opamp.loop()))
    local clients = clients_on(loop, 3)
    local connected = {}
    while not (connected[clients[1]] and connected[clients[2]]
      and connected[clients[3]]) do
      for _, event in ipairs(assert(loop:poll(20))) do
        connected[event.client] = connected[event.client]
          or event.kind == "connected"
      end
    end
  end)

  it("goes on when one of its clients is closed", function()
    local loop = agents.own(assert(opamp.loop()))
    local clients = clients_on(loop, 3)
    agents.drive(loop, all(clients, "connected"))
    clients[2]:close()
    assert.is_false(loop:is_closed())
    local left = { clients[1], clients[3] }
    for _, client in ipairs(left) do
      assert.is_true(client:stop())
    end
    agents.drive(loop, all(left, "stopped"))
  end)

  it("that is closed closes its clients", function()
    local loop = assert(opamp.loop())
    local clients = clients_on(loop, 2)
    agents.drive(loop, all(clients, "connected"))
    loop:close()
    loop:close()
    assert.is_true(loop:is_closed())
    for _, client in ipairs(clients) do
      assert.is_true(client:is_closed())
      assert.matches("closed", agents.raised(client.start, client))
      assert.equal("opamp.client: closed", tostring(client))
      client:close()
    end
    for _, name in ipairs({ "step", "poll", "fd", "timeout", "wake", "prepare",
      "adopt" }) do
      assert.matches("closed", agents.raised(loop[name], loop))
    end
    assert.matches("closed",
      agents.raised(opamp.new, { url = server:url(), loop = loop }))
  end)

  it("may be closed by a handler", function()
    local loop = assert(opamp.loop())
    local clients = clients_on(loop, 2)
    local after = 0
    for _, client in ipairs(clients) do
      client:on("connected", function()
        loop:close()
        after = after + 1
      end)
    end
    assert.is_true(loop:run({ timeout = 20 }))
    assert.is_true(loop:is_closed())
    assert.equal(1, after)
  end)

  it("is woken before it waits", function()
    local loop = agents.own(assert(opamp.loop()))
    assert.is_true(loop:wake())
    assert.same({}, loop:poll(0))
  end)

  it("needs to know when to end", function()
    local loop = agents.own(assert(opamp.loop()))
    assert.matches("'until_' or 'timeout'", agents.raised(loop.run, loop))
    assert.matches("'until_' or 'timeout'", agents.raised(loop.run, loop, {}))
    assert.matches("'until_'", agents.raised(loop.run, loop, { until_ = 5 }))
    assert.matches("'timeout'",
      agents.raised(loop.run, loop, { timeout = "5" }))
    local ok, message, code = loop:run({ timeout = 0 })
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("timeout", code)
  end)

  it("is prepared, and belongs to this process already", function()
    local loop = agents.own(assert(opamp.loop()))
    assert.is_true(loop:prepare())
    assert.is_true(loop:prepare())
    assert.is_true(loop:adopt())
    local clients = clients_on(loop, 1)
    agents.drive(loop, all(clients, "connected"))
  end)

  it("is made for many connections", function()
    local loop = agents.own(assert(opamp.loop({ max_connections = 200 })))
    local clients = clients_on(loop, 100)
    agents.drive(loop, all(clients, "connected"))
  end)

  it("has options that raise by name", function()
    assert.matches("opamp.loop: a table expected, not number",
      agents.raised(opamp.loop, 5), 1, true)
    for _, most in ipairs({ "x", -1, 1e9, 1.5 }) do
      assert.matches("max_connections",
        agents.raised(opamp.loop, { max_connections = most }))
    end
    assert.matches("max_connection",
      agents.raised(opamp.loop, { max_connection = 1 }))
  end)
end)
