-- SPDX-License-Identifier: Apache-2.0

-- Handlers: which are called, what they may do, and what becomes of errors.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")
local shell = require("support.shell")

-- Of a server that is not there a client tells quickly.
local NOWHERE = "ws://127.0.0.1:1/v1/opamp"

describe("handlers", function()
  after_each(agents.close)

  -- A client that has had the event "connecting".
  local function attempt(client)
    assert(client:start())
    agents.drive(client, function()
      return client:is_closed() or client:state() == "waiting"
    end)
    return client
  end

  it("are called in order, with the event and the client", function()
    local client = agents.new({ url = NOWHERE })
    local calls = {}
    for i = 1, 3 do
      assert.equal(client, client:on("connecting", function(event, self, more)
        calls[#calls + 1] = i
        assert(event.kind == "connecting" and self == client and more == nil)
      end))
    end
    attempt(client)
    assert.same({ 1, 2, 3 }, calls)
  end)

  it("of other events get those that have none", function()
    local client = agents.new({ url = NOWHERE })
    local others = agents.record(client, "other")
    client:on("connecting", function() end)
    attempt(client)
    local kinds = {}
    for _, event in ipairs(others) do
      kinds[event.kind] = true
    end
    assert.is_nil(kinds.connecting)
    assert.is_true(kinds.connect_failed)
  end)

  it("may be added by handlers", function()
    local client = agents.new({ url = NOWHERE })
    local calls = 0
    client:on("connecting", function()
      client:on("connecting", function() calls = calls + 1 end)
      client:on("connect_failed", function() calls = calls + 10 end)
    end)
    attempt(client)
    assert.equal(10, calls)
  end)

  it("that raise are counted, and told to those of errors", function()
    local client = agents.new({ url = NOWHERE })
    local errors = agents.record(client, "error")
    local after
    client:on("connecting", function() error("oops") end)
    client:on("connecting", function() after = true end)
    attempt(client)
    assert.is_true(after)
    assert.equal(1, client:handler_errors())
    assert.equal(1, #errors)
    local event = errors[1]
    assert.equal("error", event.kind)
    assert.equal(client, event.client)
    assert.matches("handlers_spec.lua:%d+: oops$", event.error)
    assert.equal(event.error, event.text)
    assert.matches("handlers_spec.lua:%d+: oops\nstack traceback:",
      event.traceback)
    assert.matches("handlers_spec.lua:%d+: in function", event.traceback)
    assert.equal("connecting", event.event.kind)
  end)

  it("that raise anything are told as texts", function()
    local function raises() error("evil") end
    for what, value in pairs({
      ["nil"] = false,
      ["5"] = 5,
      ["true"] = true,
      ["mine"] = setmetatable({}, { __tostring = function()
        return "mine"
      end }),
      ["table"] = {},
      [""] = setmetatable({}, { __tostring = raises }),
      ["."] = setmetatable({}, { __tostring = function() return {} end }),
    }) do
      local client = agents.new({ url = NOWHERE })
      local errors = agents.record(client, "error")
      client:on("connecting", function() error(value or nil) end)
      attempt(client)
      assert.equal(1, client:handler_errors())
      assert.is_string(errors[1].error)
      assert.is_string(errors[1].traceback)
      assert.matches(what, errors[1].error)
      client:close()
    end
  end)

  it("of errors may raise, too", function()
    -- What is left goes to stderr, which a process of its own shows.
    local output, errors, status = shell.lua([[
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = "ws://127.0.0.1:1" }))
      client:on("connecting", function() error("mistake 1", 0) end)
      client:on("error", function() error("mistake 2", 0) end)
      assert(client:run({ until_ = function()
        return client:state() == "waiting"
      end, timeout = 20 }))
      print(client:handler_errors())
    ]])
    assert.equal("2\n", output)
    assert.equal(0, status)
    assert.matches("a handler of error failed: mistake 2", errors)
    assert.is_nil(errors:find("mistake 1", 1, true))
  end)

  it("that raise are told on stderr when nobody else is", function()
    local output, errors, status = shell.lua([[
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = "ws://127.0.0.1:1" }))
      client:on("connecting", function() error("oops") end)
      assert(client:run({ until_ = function()
        return client:state() == "waiting"
      end, timeout = 20 }))
    ]])
    assert.equal("", output)
    assert.equal(0, status)
    assert.matches("^opamp: a handler of connecting failed: .*program.lua:3:"
      .. " oops\nstack traceback:", errors)
  end)

  it("may close the client", function()
    local client = agents.new({ url = NOWHERE })
    local later
    client:on("connecting", function()
      client:close()
      client:close()
    end)
    client:on("connect_failed", function() later = true end)
    attempt(client)
    assert.is_true(client:is_closed())
    assert.is_nil(later)
    assert.matches("closed", agents.raised(client.step, client))
  end)

  it("may call all methods", function()
    local client = agents.new({ url = NOWHERE })
    local called
    client:on("connecting", function(_, self)
      assert(self:set_health({ healthy = true }))
      assert(self:set_heartbeat(5))
      assert(self:set_headers({ ["X-A"] = "1" }))
      assert(self:start())
      assert(self:hold())
      assert(self:release())
      assert(self:flush())
      assert(self:step() == 0)
      assert(self:stop())
      called = true
    end)
    client:start()
    agents.drive(client, function() return client:state() == "stopped" end)
    assert.is_true(called)
    assert.equal(0, client:handler_errors())
  end)

  it("may not poll, which would take events from others", function()
    local client = agents.new({ url = NOWHERE })
    local message
    client:on("connecting", function()
      message = agents.raised(client.poll, client)
    end)
    attempt(client)
    assert.matches("while a handler runs", message)
    assert(client:poll())
  end)
end)

describe("observers", function()
  after_each(agents.close)

  local function attempt(client)
    assert(client:start())
    agents.drive(client, function() return client:state() == "waiting" end)
  end

  it("are called after the handlers, which they are none of", function()
    local client = agents.new({ url = NOWHERE })
    local calls = {}
    assert.equal(client, client:observe("connecting", function(event, self)
      assert(event.kind == "connecting" and self == client)
      calls[#calls + 1] = "observer"
    end))
    client:on("other", function(event)
      if event.kind == "connecting" then
        calls[#calls + 1] = "other"
      end
    end)
    attempt(client)
    assert.same({ "other", "observer" }, calls)
  end)

  it("may raise, and see what others raise", function()
    local client = agents.new({ url = NOWHERE })
    local texts = {}
    client:observe("error", function(event)
      texts[#texts + 1] = event.error
    end)
    client:on("error", function() end)
    client:on("connecting", function() error("handler", 0) end)
    client:observe("connecting", function() error("observer", 0) end)
    attempt(client)
    assert.same({ "handler", "observer" }, texts)
    assert.equal(2, client:handler_errors())
  end)

  it("answer no offer", function()
    local server = agents.own(peer.start())
    local client = agents.connect(agents.new({ url = server:url(),
      capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" } }))
    client:observe("remote_config", function() return "failed", "no" end)
    client:on("remote_config", function() return "applied" end)
    server:offer({ a = "1" }, client)
    assert.equal("APPLIED", server:message(client, "remote_config_status")
      .remote_config_status.status)
  end)

  it("are functions for kinds of events", function()
    local client = agents.new({ url = NOWHERE })
    assert.matches("client:observe: there are no events of kind 'x'",
      agents.raised(client.observe, client, "x", print), 1, true)
    assert.matches("client:observe: a function expected",
      agents.raised(client.observe, client, "log"), 1, true)
    client:close()
    assert.matches("client:observe: the client is closed",
      agents.raised(client.observe, client, "log", print), 1, true)
  end)
end)

describe("a handler that yields", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  -- Steps in a coroutine until a handler yields; the coroutine and what it
  -- yielded.
  local function until_yield(client)
    local co = coroutine.create(function()
      while true do
        assert(client:step())
        coroutine.yield("stepped")
      end
    end)
    local yielded
    agents.drive({}, function()
      local ok, what = coroutine.resume(co)
      assert(ok, what)
      yielded = what
      return what ~= "stepped"
    end, "a yield")
    return co, yielded
  end

  it("is resumed, while others keep the connection going", function()
    local client = agents.connect(agents.new({ url = server:url(),
      capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" } }))
    assert(client:set_heartbeat(0.02))
    local after = {}
    client:on("remote_config", function(event)
      local answer = coroutine.yield("first")
      assert(coroutine.yield(event.hash) == "second")
      return answer
    end)
    client:on("remote_config", function() after[#after + 1] = "next" end)
    client:on("connection_settings", function() after[#after + 1] = "x" end)
    server:offer({ a = "1" })
    local co, yielded = until_yield(client)
    assert.equal("first", yielded)
    -- A heartbeat now and then, and no event is handled.
    local beats = client:counters().heartbeats
    agents.drive(client, function()
      assert.equal(0, client:step())
      return client:counters().heartbeats >= beats + 3
    end)
    assert.same({}, after)
    assert.matches("while a handler runs", agents.raised(client.poll, client))
    local _, hash = coroutine.resume(co, "applied")
    assert.equal(32, #hash)
    assert.equal(0, client:step())
    local ok, what = coroutine.resume(co, "second")
    assert.is_true(ok)
    assert.equal("stepped", what)
    assert.same({ "next" }, after)
    local said = server:message(client, "remote_config_status")
      .remote_config_status
    assert.equal("APPLIED", said.status)
    assert.equal(0, client:handler_errors())
  end)

  it("does not keep a loop busy with events that wait for it", function()
    local client = agents.connect(agents.new({ url = server:url(),
      capabilities = { "AcceptsRemoteConfig" } }))
    local delivered = agents.record(client, "delivered")
    client:on("remote_config", function() coroutine.yield("now") end)
    server:offer({ a = "1" })
    local co = until_yield(client)
    local count = #delivered
    local received = client:counters().messages_received
    assert(client:set_health({ healthy = true }))
    assert(client:flush())
    agents.drive(client, function()
      return client:counters().messages_received > received
    end)
    for _ = 1, 10 do
      assert.equal(0, client:step())
    end
    assert.is_true(client:timeout() > 0)
    assert.equal(count, #delivered)
    assert(coroutine.resume(co))
    assert.is_true(#delivered > count)
  end)

  it("may raise after it", function()
    local client = agents.new({ url = server:url() })
    local errors = agents.record(client, "error")
    client:on("connected", function()
      coroutine.yield("now")
      error("after", 0)
    end)
    client:start()
    local co = until_yield(client)
    assert(coroutine.resume(co))
    assert.equal("after", errors[1].error)
    assert.matches("handlers_spec.lua", errors[1].traceback)
    agents.drive(client, function() return client:state() == "connected" end)
  end)

  -- What a scheduler does that a handler gave its coroutine to.
  local function resumed_by_itself(handler)
    local client = agents.connect(agents.new({ url = server:url(),
      capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" } }))
    local own
    client:on("remote_config", function(event)
      own = coroutine.running()
      return handler(event, coroutine.yield("now"))
    end)
    local errors = agents.record(client, "error")
    server:offer({ a = "1" })
    local outer = until_yield(client)
    local ok, message = coroutine.resume(own, "go")
    -- In 5.1 the handler has a coroutine of its own.
    assert.is_true(ok or own ~= outer, message)
    return client, outer, errors
  end

  it("may be resumed by its own coroutine", function()
    local client, outer = resumed_by_itself(function(_, what)
      assert(what == "go")
      return "applied"
    end)
    assert.equal("APPLIED", server:message(client, "remote_config_status")
      .remote_config_status.status)
    assert(coroutine.resume(outer))
    assert.equal(0, client:handler_errors())
  end)

  it("may raise after its own coroutine was resumed", function()
    local client, outer, errors = resumed_by_itself(function()
      error("after", 0)
    end)
    agents.await(client, errors)
    assert.equal("FAILED", server:message(client, "remote_config_status")
      .remote_config_status.status)
    assert.equal(1, client:handler_errors())
    assert(coroutine.resume(outer))
  end)

  it("may find its client closed", function()
    local client = agents.new({ url = server:url() })
    local closed
    client:on("connected", function()
      coroutine.yield("now")
      closed = client:is_closed()
    end)
    client:start()
    local co = until_yield(client)
    client:close()
    coroutine.resume(co)
    assert.is_true(closed)
  end)

  it("holds nobody of another loop", function()
    local client = agents.new({ url = server:url() })
    client:on("connected", function() coroutine.yield("now") end)
    client:start()
    until_yield(client)
    agents.connect(agents.new({ url = server:url() }))
  end)

  -- busted runs specs in no coroutine in 5.1, and in one elsewhere: a process
  -- of its own tells.
  it("outside of a coroutine raises", function()
    local output, errors, status = shell.lua([[
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = "ws://127.0.0.1:1" }))
      client:on("connecting", function() coroutine.yield() end)
      client:on("error", function(event) print(event.error) end)
      assert(client:run({ until_ = function()
        return client:state() == "waiting"
      end, timeout = 20 }))
      print(client:handler_errors(), client:step())
    ]])
    assert.equal(0, status)
    assert.equal("", errors)
    assert.matches("yield", output)
    assert.matches("\n1\t0\n$", output)
  end)

  it("is told of its stack when it fails", function()
    local client = agents.new({ url = NOWHERE })
    local errors = agents.record(client, "error")
    local function a_function_of_the_handler()
      error("deep")
    end
    client:on("connecting", function()
      a_function_of_the_handler()
      return opamp
    end)
    client:start()
    agents.await(client, errors)
    assert.matches("a_function_of_the_handler", errors[1].traceback)
  end)
end)
