-- SPDX-License-Identifier: Apache-2.0
-- messages.lua: how long messages take on their way between the wire and Lua,
-- beside what Lua takes for their tables alone. Prints names and microseconds.

local opamp = require("opamp")
local now = require("opamp.core").now

local FILES, SIZE = 100, 1024
local OFFERS, HEALTHS = 200, 2000

-- The median of what `take(n)` returns for each n, in seconds.
local function median(count, take)
  local found = {}
  for n = 1, count do
    found[n] = take(n)
  end
  table.sort(found)
  return found[math.ceil(count / 2)] * 1e6
end

-- A remote configuration ------------------------------------------------------

local function offer(uid, n)
  local files = {}
  for i = 1, FILES do
    local text = ("receivers: [%d, %d]\n"):format(n, i)
    local body = text:rep(math.ceil(SIZE / #text)):sub(1, SIZE)
    files[("conf.d/%d.yaml"):format(i)] =
      { body = body, content_type = "text/yaml" }
  end
  return assert(opamp.encode("ServerToAgent", {
    instance_uid = uid,
    remote_config = { files = files, hash = ("%016d"):format(n) },
  }))
end

-- From a transport of our own, so that no network is measured, to the handler.
local function receive()
  local send, arrived
  local client = assert(opamp.new({
    url = "ws://nowhere",
    own_transport = true,
    identifying = { ["service.name"] = "bench" },
    capabilities = { "AcceptsRemoteConfig", "ReportsRemoteConfig" },
    on = {
      transport_open = function(event)
        event:opened()
      end,
      transport_send = function(event)
        send = event
        event:written()
      end,
      remote_config = function(event)
        arrived = now()
        assert(#event.files["conf.d/7.yaml"].body == SIZE)
        return "applied"
      end,
    },
  }))
  local function run(done)
    assert(client:run({ until_ = done, timeout = 20 }))
  end
  run(function()
    return send ~= nil
  end)
  local taken = median(OFFERS, function(n)
    local data = "\0" .. offer(client:instance_uid(), n)
    arrived = nil
    local begun = now()
    send:received(data)
    run(function()
      return arrived ~= nil
    end)
    return arrived - begun
  end)
  client:close()
  return taken
end

-- Cuts the same strings out of a message, and makes the same tables.
local function cut()
  return median(OFFERS, function(n)
    local data = offer(("u"):rep(16), n)
    local begun = now()
    local files, at = {}, 1
    for i = 1, FILES do
      files["conf.d/" .. i .. ".yaml"] = {
        body = data:sub(at, at + SIZE - 1),
        content_type = "text/yaml",
      }
      at = at + SIZE
    end
    return now() - begun, files
  end)
end

-- A health --------------------------------------------------------------------

local function component(name)
  return {
    healthy = true,
    status = "running",
    start_time = 1700000000,
    status_time = 1700000001.5,
    attributes = { name = name, port = 4317, tags = { "a", "b", "c" } },
  }
end

local health = component("agent")
health.components = {
  receiver = component("receiver"),
  processor = component("processor"),
  exporter = component("exporter"),
}

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for key, item in pairs(value) do
    made[key] = copy(item)
  end
  return made
end

local function each(call, ...)
  local a, b = ...
  return median(HEALTHS, function()
    local begun = now()
    call(a, b)
    return now() - begun
  end)
end

local wire = assert(opamp.encode("ComponentHealth", health))

print("offer_us", receive())
print("offer_floor_us", cut())
print("encode_us", each(opamp.encode, "ComponentHealth", health))
print("decode_us", each(opamp.decode, "ComponentHealth", wire))
print("health_floor_us", each(copy, health))
