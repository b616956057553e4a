-- SPDX-License-Identifier: Apache-2.0

-- What the garbage collector takes, and that nothing is left of it.

local agents = require("support.agents")
local opamp = require("opamp")
local peer = require("support.peer")
local shell = require("support.shell")

local NOWHERE = "ws://127.0.0.1:1/v1/opamp"

local function collect()
  for _ = 1, 3 do -- finalizers free what makes more garbage
    collectgarbage()
  end
end

-- How many descriptors this process has. io.popen would add some of its own,
-- now and then.
local function descriptors()
  local pid = shell.read("/proc/self/stat"):match("^%d+")
  local folder = shell.folder()
  os.execute(("exec ls /proc/%s/fd >%s/list"):format(pid, folder))
  local _, count = shell.read(folder .. "/list"):gsub("%d+", "")
  shell.remove(folder)
  return count
end

-- How much memory it has, in kB. Sanitizers and valgrind, which are preloaded,
-- keep what is freed.
local function resident()
  if os.getenv("LD_PRELOAD") then
    return 0
  end
  local text = shell.read("/proc/self/status")
  return tonumber(text:match("VmRSS:%s*(%d+)"))
end

describe("garbage", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  it("is collected at all times while messages flow", function()
    local pause = collectgarbage("setpause", 1)
    local stepmul = collectgarbage("setstepmul", 1000)
    finally(function()
      collectgarbage("setpause", pause)
      collectgarbage("setstepmul", stepmul)
    end)
    local client = agents.new({
      url = server:url(),
      trace_messages = true,
      log_level = "debug",
      capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig",
        "ReportsEffectiveConfig" },
    })
    assert(client:set_custom_capabilities({ "com.example.echo" }))
    local applied, got = 0, 0
    client:on("remote_config", function(event, self)
      applied = applied + 1
      assert(self:set_effective_config(event.files))
      collectgarbage("step")
      return "applied"
    end)
    client:on("custom_message", function() got = got + 1 end)
    client:on("other", function(event) return event.raw end)
    agents.connect(client)
    for i = 1, 30 do
      server:offer({ a = tostring(i), b = ("x"):rep(i) }, client)
      server:send({ instance_uid = agents.uid(client), custom_message = {
        capability = "com.example.echo", type = "t" } }, client)
      assert(client:set_health({ healthy = true, status = tostring(i),
        attributes = { list = { i, { i } } } }))
      assert(client:send_custom("com.example.echo", tostring(i)))
      agents.drive(client, function() return applied == i and got == i end)
    end
    server:message(client, function(message)
      return message.custom_message and message.custom_message.type == "30"
    end)
    assert.equal(0, client:handler_errors())
  end)

  it("that was a running client is closed", function()
    local uid
    do
      local client = assert(opamp.new({ url = server:url() }))
      client:on("connected", function() end)
      agents.connect(client)
      uid = agents.uid(client)
    end
    local connection = server:connection(uid)
    collect()
    assert.is_false(server:ended(uid, connection))
  end)

  it("is a client that only its handlers refer to", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local client = assert(opamp.new({ url = server:url() }))
      client:on("connected", function() return client end)
      weak[client] = true
      agents.connect(client)
    end
    collect()
    assert.is_nil(next(weak))
  end)

  it("is no client that events refer to", function()
    local event
    do
      local client = assert(opamp.new({ url = NOWHERE }))
      client:on("connecting", function(e) event = e end)
      client:start()
      agents.drive(client, function() return event end)
    end
    collect()
    assert.equal(event.client, agents.own(event.client))
    assert.is_false(event.client:is_closed())
  end)

  it("of clients that share a loop leaves the loop", function()
    local loop = agents.own(assert(opamp.loop()))
    for _ = 1, 10 do
      assert(opamp.new({ url = server:url(), loop = loop })):start()
      loop:step()
    end
    collect()
    local client = agents.new({ url = server:url(), loop = loop })
    agents.connect(client)
  end)

  it("of a loop leaves its clients", function()
    local client
    do
      local loop = assert(opamp.loop())
      client = agents.new({ url = server:url(), loop = loop })
    end
    collect()
    agents.connect(client)
    assert.is_false(client:loop():is_closed())
  end)

  local function make_clients(count)
    for i = 1, count do
      local client = assert(opamp.new({ url = NOWHERE,
        identifying = { ["service.name"] = "x", i = i },
        headers = { Authorization = "x" } }))
      assert(client:on("connected", print))
      assert(client:set_health({ healthy = true }))
      if i % 2 == 0 then
        assert(client:start())
        client:step()
      end
      if i % 3 == 0 then
        client:close()
      elseif i % 20 == 0 then
        collectgarbage() -- before descriptors run out
      end
    end
    collect()
  end

  it("of a thousand clients leaves no descriptors and no memory", function()
    make_clients(200)
    local before, used = descriptors(), collectgarbage("count")
    local memory = resident()
    make_clients(1000)
    assert.equal(before, descriptors())
    assert.is_true(collectgarbage("count") < used + 200)
    assert.is_true(resident() < memory + 3000, resident() - memory .. " kB")
  end)

  it("of messages and events leaves no memory", function()
    local client = agents.new({ url = "http://bus", own_transport = true,
      poll_interval = 0.01 })
    assert(client:set_custom_capabilities({ "com.example.x" }))
    local body = ("x"):rep(200000)
    local got, raised = 0, 0
    client:on("transport_send", function(event)
      assert(event:received(assert(opamp.encode("ServerToAgent", {
        instance_uid = client:instance_uid(),
        custom_message = { capability = "com.example.x", data = body },
      }))))
      assert(client:flush())
    end)
    client:on("custom_message", function(event)
      assert(#event.data == #body and #event.raw > #body)
      got = got + 1
    end)
    client:on("error", function() raised = raised + 1 end)
    client:start()
    local function receive(count)
      agents.drive(client, function()
        client:set_health({ healthy = true, status = tostring(got) })
        collectgarbage()
        return got >= count
      end)
    end
    receive(20)
    local memory = resident()
    receive(220)
    assert.equal(0, raised)
    -- All of them are 40,000 kB.
    assert.is_true(resident() < memory + 10000, resident() - memory .. " kB")
  end)

  it("is made by no step that has nothing to do", function()
    local client = agents.connect(agents.new({ url = server:url() }))
    local delivered = agents.record(client, "delivered")
    client:flush()
    agents.await(client, delivered)
    local made = 1e9
    for _ = 1, 5 do -- LuaJIT may compile meanwhile, which makes garbage, too
      collect()
      collectgarbage("stop")
      local before = collectgarbage("count")
      for _ = 1, 1000 do
        client:step()
      end
      made = math.min(made, collectgarbage("count") - before)
      collectgarbage("restart")
    end
    assert.is_true(made < 1, made .. " kB")
  end)

  it("is what encoding that fails leaves", function()
    local deep = {}
    for _ = 1, 100 do
      deep = { deep }
    end
    local function fail()
      for _ = 1, 500 do
        opamp.encode("AnyValue", deep)
        pcall(opamp.encode, "AnyValue", { a = { print } })
        opamp.decode("AgentToServer", "\255")
        pcall(opamp.new, { url = NOWHERE, heartbeat = "x" })
        opamp.new({ url = "x" })
      end
      collect()
    end
    fail()
    local before, used = descriptors(), collectgarbage("count")
    fail()
    assert.equal(before, descriptors())
    assert.is_true(collectgarbage("count") < used + 50)
  end)
end)

describe("a state that ends", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)

  -- What the program does before it ends.
  local ends = {
    ["while a client runs"] = [[client:run({ until_ = connected })]],
    ["while a client is held by a global"] = [[
      client:run({ until_ = connected })
      the_client = client
      the_loop = opamp.loop()
      the_other = opamp.new({ url = url, loop = the_loop })
      the_other:start()]],
    ["with events and offers"] = [[
      client:on("connected", function(event) kept = event end)
      client:run({ until_ = connected })
      client:set_health({ healthy = true })
      client:stop()
      client:step()]],
    ["inside of a handler that has yielded"] = [[
      client:on("connected", function() coroutine.yield() end)
      client:start()
      local co = coroutine.wrap(function()
        while true do client:step() coroutine.yield() end
      end)
      while client:state() ~= "connected" do co() end
      co()]],
    ["by os.exit in a handler"] = [[
      client:on("connected", function() os.exit(0) end)
      client:run({ timeout = 20 })]],
    ["by os.exit in a handler, closing the state"] = [[
      client:on("connected", function() os.exit(0, true) end)
      client:run({ timeout = 20 })]],
    ["with a directory and messages"] = [[
      dir = opamp.configdir(os.getenv("SPEC_FOLDER") .. "/conf")
      dir:replace({ a = "b" })
      values = opamp.decode("AnyValue", opamp.encode("AnyValue", { 1 }))]],
  }

  for what, program in pairs(ends) do
    it("exits in silence " .. what, function()
      local folder = shell.folder()
      local output, errors, status = shell.lua([[
        local opamp = require("opamp")
        local url = ...
        local client = assert(opamp.new({ url = url }))
        local function connected() return client:state() == "connected" end
      ]] .. program:gsub("os.getenv%b()", ("%q"):format(folder)),
        server:url())
      shell.remove(folder)
      assert.equal("", errors)
      assert.equal("", output)
      assert.equal(0, status)
    end)
  end

  it("tells the server nothing", function()
    local _, _, status = shell.lua([[
      local opamp = require("opamp")
      local client = assert(opamp.new({ url = (...),
        instance_uid = "017f22e2-79b0-7cc3-98c4-dc0c0c073900" }))
      client:run({ until_ = function()
        return client:counters().messages_received > 0
      end, timeout = 20 })
    ]], server:url())
    assert.equal(0, status)
    local uid = "017f22e2-79b0-7cc3-98c4-dc0c0c073900"
    assert.is_false(server:ended(uid, server:connection(uid)))
    assert.equal(1, #server:messages(uid))
  end)
end)
