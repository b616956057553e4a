-- SPDX-License-Identifier: Apache-2.0

-- Attribute values: what they become, and what cannot be one.

local agents = require("support.agents")
local opamp = require("opamp")

-- 1 and 1.0 are told apart by Lua 5.3 and newer.
local type_of = rawget(math, "type")
local MAX, MIN = rawget(math, "maxinteger"), rawget(math, "mininteger")

local function packed(value)
  return assert(opamp.encode("AnyValue", value))
end

local function back(value)
  local bytes = packed(value)
  local again, message = opamp.decode("AnyValue", bytes)
  assert.is_nil(message)
  return again
end

-- As it is on the wire: AnyValue.int_value is field 3, double_value field 4.
local function is_whole(value)
  return packed(value):byte(1) == 3 * 8
end

local function is_float(value)
  return packed(value):byte(1) == 4 * 8 + 1
end

local function misused(value, says)
  local text = agents.raised(opamp.encode, "AnyValue", value)
  assert.matches(says, text, 1, true)
end

describe("a number", function()
  it("of up to 2^53 is the same number", function()
    for _, number in ipairs({ 0, 1, -1, 0.5, -0.25, 2 ^ 31, 2 ^ 53,
      2 ^ 53 - 1, -2 ^ 53, -2 ^ 53 + 1, 1e300, -1e-300, 2 ^ 63, 2 ^ 64 }) do
      assert.equal(number, back(number))
    end
  end)

  it("may be infinite, or none", function()
    assert.equal(1 / 0, back(1 / 0))
    assert.equal(-1 / 0, back(-1 / 0))
    local none = back(0 / 0)
    assert.is_true(none ~= none)
    assert.is_true(is_float(0 / 0))
  end)

  if type_of then
    it("is whole or a float as Lua has it", function()
      for _, number in ipairs({ 0, 1, -1, MAX, MIN,
        MAX - 1, MIN + 1 }) do
        assert.is_true(is_whole(number))
        assert.equal("integer", type_of(back(number)))
        assert.equal(number, back(number))
      end
      for _, number in ipairs({ 0.0, 1.0, -1.0, 2.0 ^ 53, 0.5 }) do
        assert.is_true(is_float(number))
        assert.equal("float", type_of(back(number)))
        assert.equal(number, back(number))
      end
      assert.equal("-inf", tostring(1 / back(-0.0)))
    end)
  else
    it("is whole when it has no fraction and is exact", function()
      for _, number in ipairs({ 0, 1, -1, 2 ^ 53, -2 ^ 53, 2 ^ 53 - 1 }) do
        assert.is_true(is_whole(number))
      end
      for _, number in ipairs({ 0.5, 2 ^ 53 * 2, -2 ^ 53 * 2, 2 ^ 63, 1e300 })
      do
        assert.is_true(is_float(number))
      end
    end)
  end

  it("is a float when opamp.double says so", function()
    assert.is_true(is_float(opamp.double(1)))
    assert.is_true(is_float(opamp.double(0)))
    assert.equal(1, back(opamp.double(1)))
    assert.equal(0.5, back(opamp.double(0.5)))
    assert.matches("number expected", agents.raised(opamp.double, "1"))
    assert.matches("number expected", agents.raised(opamp.double))
  end)

  it("is exact up to 64 bits where Lua can tell", function()
    -- int_value, 2^63 - 1 and -2^63.
    local most = opamp.decode("AnyValue",
      "\24\255\255\255\255\255\255\255\255\127")
    local least = opamp.decode("AnyValue",
      "\24\128\128\128\128\128\128\128\128\128\1")
    if type_of then
      assert.equal(MAX, most)
      assert.equal(MIN, least)
    else
      assert.equal(2 ^ 63, most)
      assert.equal(-2 ^ 63, least)
    end
  end)
end)

describe("a text", function()
  it("is UTF-8", function()
    for _, text in ipairs({ "", "ü", "日本", ("x"):rep(100000) }) do
      assert.equal(text, back(text))
    end
    for _, text in ipairs({ "\255", "a\0b", "\0", "\192\128", "\237\160\128",
      "ü\195", "\244\144\128\128" }) do
      local bytes, message, code = opamp.encode("AgentDescription",
        { identifying = { ["service.name"] = { "ok", { x = text } } } })
      assert.is_nil(bytes)
      assert.equal("utf8", code)
      assert.matches('message.identifying["service.name"][2].x: is not UTF-8',
        message, 1, true)
    end
  end)

  it("is something else than a number or a boolean", function()
    for _, text in ipairs({ "1", "1.5", "true" }) do
      assert.equal(text, back(text))
    end
    assert.is_true(back(true))
    assert.is_false(back(false))
  end)
end)

describe("bytes", function()
  it("are any, when opamp.bytes says so", function()
    for _, bytes in ipairs({ "", "\0", "\255\0\1", "text" }) do
      assert.equal(bytes, back(opamp.bytes(bytes)))
      -- bytes_value is field 7.
      assert.equal(7 * 8 + 2, packed(opamp.bytes(bytes)):byte(1))
    end
    assert.matches("string expected", agents.raised(opamp.bytes, 5))
  end)
end)

describe("nothing", function()
  it("is opamp.null", function()
    assert.equal(opamp.null, back(opamp.null))
    assert.equal("", packed(opamp.null))
    assert.same({ opamp.null, 1 }, back({ opamp.null, 1 }))
    assert.same({ a = opamp.null }, back({ a = opamp.null }))
  end)
end)

describe("a table", function()
  it("is a list when it has a first item, else a map", function()
    assert.same({ 1, "x", true }, back({ 1, "x", true }))
    assert.same({ a = { b = { 1, { c = "d" } } } },
      back({ a = { b = { 1, { c = "d" } } } }))
    -- array_value is field 5, kvlist_value field 6.
    assert.equal(5 * 8 + 2, packed({ 1 }):byte(1))
    assert.equal(6 * 8 + 2, packed({}):byte(1))
    assert.equal(6 * 8 + 2, packed({ a = 1 }):byte(1))
    local many = {}
    for i = 1, 1000 do
      many[i] = i
    end
    assert.same(many, back(many))
  end)

  it("is what a mark says", function()
    assert.equal(5 * 8 + 2, packed(opamp.array({})):byte(1))
    assert.equal(5 * 8 + 2, packed(opamp.array({ 1 })):byte(1))
    assert.equal(6 * 8 + 2, packed(opamp.map({})):byte(1))
    misused(opamp.array({ a = 1 }), "must be a list from 1 on")
    misused(opamp.map({ 1 }), "a key must be a string, not a number")
  end)

  it("is marked itself, and so is what was decoded", function()
    local list, map = {}, { a = 1 }
    assert.equal(list, opamp.array(list))
    assert.equal(map, opamp.map(map))
    local again = back({ a = opamp.array({}), b = opamp.map({}), c = { 1 } })
    assert.equal(packed(opamp.array({})), packed(again.a))
    assert.equal(packed({}), packed(again.b))
    assert.equal(packed({ 1 }), packed(again.c))
    assert.equal(getmetatable(list), getmetatable(again.a))
    assert.equal(getmetatable(map), getmetatable(again.b))
  end)

  it("cannot be marked over a metatable of its own", function()
    local own = setmetatable({}, {})
    for _, mark in ipairs({ opamp.array, opamp.map }) do
      assert.matches("metatable of its own", agents.raised(mark, own))
      assert.matches("table expected", agents.raised(mark, 5))
    end
    -- Unmarked it is a table as all others: no metamethod is called.
    local proxy = setmetatable({}, { __index = error, __pairs = error,
      __len = error })
    assert.same({}, back(proxy))
  end)

  it("has no hole and no other keys when it is a list", function()
    misused({ 1, nil, 3 }, "message: must be a list from 1 on without a hole")
    misused({ 1, 2, x = 3 }, "and without other keys")
    misused({ 1, [3] = 2 }, "message: must be a list from 1 on")
    misused({ a = { 1, [0] = 2 } }, "message.a: must be a list from 1 on")
  end)

  it("has texts as keys when it is a map", function()
    misused({ [2] = 1 }, "message: a key must be a string, not a number")
    misused({ a = { [1.5] = 1 } }, "message.a: a key must be a string")
    misused({ [true] = 1 }, "a key must be a string, not a boolean")
    misused({ [{}] = 1 }, "a key must be a string, not a table")
    local _, message, code = opamp.encode("AnyValue", { ["\255"] = 1 })
    assert.equal("utf8", code)
    assert.matches('message["?"]: is not UTF-8', message, 1, true)
  end)

  it("may be in two places, but not in itself", function()
    local shared = { 1 }
    assert.same({ { 1 }, { 1 } }, back({ shared, shared }))
    local map = {}
    map.a = { b = map }
    misused(map, "message.a.b: is a table that contains itself")
    local list = { {} }
    list[1][1] = list
    misused(list, "message[1][1]: is a table that contains itself")
  end)

  it("is nested to a limit", function()
    local function nested(levels, wrap)
      local value = 1
      for _ = 1, levels do
        value = wrap(value)
      end
      return value
    end
    local function list(value) return { value } end
    local function map(value) return { a = value } end
    assert.same(nested(20, list), back(nested(20, list)))
    assert.same(nested(20, map), back(nested(20, map)))
    for _, wrap in ipairs({ list, map }) do
      local deep = nested(10000, wrap)
      local bytes, message, code = opamp.encode("AnyValue", deep)
      assert.is_nil(bytes)
      assert.equal("depth", code)
      assert.matches("nested too deeply", message)
      assert.is_true(#message < 80, message) -- and not all of the way
    end
  end)

  it("is nested as deeply as can be decoded", function()
    local value = 1
    for levels = 1, 100 do
      value = { a = { value } }
      local bytes = opamp.encode("ComponentHealth", { attributes = value })
      if not bytes then
        assert.is_true(levels > 10)
        return
      end
      assert(opamp.decode("ComponentHealth", bytes))
    end
    error("no limit")
  end)
end)

describe("other things", function()
  it("are no attributes", function()
    misused(print, "message: an attribute cannot be a function")
    misused(io.stdout, "an attribute cannot be a userdata")
    misused(coroutine.create(function() end), "cannot be a thread")
    misused(nil, "an attribute cannot be a nil")
    misused({ a = { 1, 2, print } },
      "message.a[3]: an attribute cannot be a function")
    misused({ ["a.b"] = { ["c d"] = { print } } },
      'message["a.b"]["c d"][1]: an attribute cannot be a function')
    misused({ [("x"):rep(10000)] = print }, "an attribute cannot be")
    assert.is_true(#agents.raised(opamp.encode, "AnyValue",
      { [("x"):rep(10000)] = print }) < 300)
  end)

  it("are told where a client gets them, and nothing is changed", function()
    local client = agents.own(assert(opamp.new({ url = "ws://localhost" })))
    assert(client:set_health({ healthy = true }))
    local message = agents.raised(function()
      local _ = client:set_health({ components = { x = {
        attributes = { ["a"] = { 1, 2, print } } } } })
    end)
    assert.matches("health.components.x.attributes.a[3]: an attribute cannot",
      message, 1, true)
    assert.matches("set_health", message)
    local ok, text, code = client:set_health({ components = { x = {
      attributes = { ["a b"] = { 1, 2, "\255" } } } } })
    assert.is_nil(ok)
    assert.equal("utf8", code)
    assert.matches('health.components.x.attributes["a b"][3]: is not UTF-8',
      text, 1, true)
    agents.close()
  end)
end)
