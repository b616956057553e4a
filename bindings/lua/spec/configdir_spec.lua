-- SPDX-License-Identifier: Apache-2.0

-- A directory that shows the files of a configuration offer.

local agents = require("support.agents")
local opamp = require("opamp")
local shell = require("support.shell")

describe("a directory", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function()
    agents.close()
    shell.remove(folder)
  end)

  local function open()
    return agents.own(assert(opamp.configdir(folder .. "/conf")))
  end

  local function exists(name)
    local file = io.open(folder .. "/conf/" .. name, "rb")
    if file then
      file:close()
    end
    return file ~= nil
  end

  it("shows a set of files", function()
    local dir = open()
    assert.equal(folder .. "/conf", dir:path())
    assert.is_true(dir:is_good())
    assert.is_true(dir:replace({ ["a.yaml"] = "x: 1",
      ["sub/b"] = { body = "\0\255", content_type = "text/x" } }))
    assert.is_false(dir:is_good())
    assert.equal("x: 1", shell.read(folder .. "/conf/a.yaml"))
    assert.equal("\0\255", shell.read(folder .. "/conf/sub/b"))
    assert.is_true(dir:commit())
    assert.is_true(dir:is_good())
    assert.is_true(dir:replace({ ["c.yaml"] = "new" }))
    assert.is_false(exists("a.yaml"))
    assert.is_true(dir:rollback())
    assert.is_true(dir:is_good())
    assert.is_true(exists("a.yaml"))
    assert.is_false(exists("c.yaml"))
    local files = assert(dir:read())
    assert.equal("x: 1", files["a.yaml"].body)
    assert.equal("\0\255", files["sub/b"].body)
    assert.is_nil(files["c.yaml"])
    assert.is_true(dir:replace({}))
    assert.is_false(exists("a.yaml"))
  end)

  it("reads what a client reports", function()
    local dir = open()
    dir:replace({ a = "b" })
    local client = agents.new({ url = "ws://127.0.0.1:1" })
    assert.is_true(client:set_effective_config(dir:read()))
  end)

  it("allows only names that match", function()
    local dir = open()
    local ok, message, code = dir:replace({ ["../c"] = "x" })
    assert.is_nil(ok)
    assert.matches("..", message, 1, true)
    assert.equal("invalid", code)
    assert.is_true(dir:allow("*.yaml"))
    assert.is_true(dir:allow("sub/**"))
    ok, message, code = dir:replace({ ["c.txt"] = "x", ["d.yaml"] = "y" })
    assert.is_nil(ok)
    assert.matches("c.txt", message, 1, true)
    assert.equal("invalid", code)
    assert.is_false(exists("d.yaml"))
    assert.is_true(dir:replace({ ["d.yaml"] = "y", ["sub/e/f"] = "z" }))
    assert.equal("z", shell.read(folder .. "/conf/sub/e/f"))
  end)

  it("has files with permissions", function()
    local dir = open()
    local function mode(name)
      return shell.output("stat -c %a " .. shell.quote(folder .. "/conf/"
        .. name)):gsub("%s", "")
    end
    assert.is_true(dir:replace({ a = "x" }))
    assert.equal("600", (mode("a")))
    assert.is_true(dir:set_file_mode(416))
    assert.is_true(dir:replace({ a = "x", b = "y" }))
    assert.equal("640", (mode("b")))
    for _, wrong in ipairs({ -1, 4096 }) do
      assert.matches("out of range",
        agents.raised(dir.set_file_mode, dir, wrong))
    end
    assert.matches("number expected",
      agents.raised(dir.set_file_mode, dir, "rw"))
  end)

  it("belongs to one at a time", function()
    local dir = open()
    local other, message, code = opamp.configdir(folder .. "/conf")
    assert.is_nil(other)
    assert.matches(folder, message, 1, true)
    assert.equal("busy", code)
    dir:close()
    open()
  end)

  it("is freed by the garbage collector", function()
    assert(opamp.configdir(folder .. "/conf"))
    collectgarbage()
    collectgarbage()
    open()
  end)

  it("that cannot be made is told", function()
    local dir, message, code = opamp.configdir(folder .. "/no/parent")
    assert.is_nil(dir)
    assert.is_string(message)
    assert.equal("io", code)
    shell.write(folder .. "/file", "")
    dir, message, code = opamp.configdir(folder .. "/file")
    assert.is_nil(dir)
    assert.is_string(message)
    assert.is_string(code)
  end)

  it("raises when it is misused", function()
    local dir = open()
    assert.matches("string expected", agents.raised(opamp.configdir))
    assert.matches("string expected", agents.raised(opamp.configdir, 5))
    assert.matches("zero byte", agents.raised(opamp.configdir, "a\0b"))
    assert.matches("string expected", agents.raised(dir.allow, dir))
    assert.matches("files: must be a table",
      agents.raised(dir.replace, dir, "x"))
    assert.matches("files.a: must be a table",
      agents.raised(dir.replace, dir, { a = 5 }))
    local ok, message, code = dir:replace({ ["\255"] = "x" })
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("utf8", code)
    for _, name in ipairs({ "path", "allow", "set_file_mode", "replace",
      "commit", "rollback", "is_good", "read" }) do
      assert.matches("a configdir expected", agents.raised(dir[name], {}))
    end
    dir:close()
    dir:close()
    for _, name in ipairs({ "path", "allow", "set_file_mode", "replace",
      "commit", "rollback", "is_good", "read" }) do
      assert.matches("closed", agents.raised(dir[name], dir))
    end
  end)
end)
