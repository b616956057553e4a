-- SPDX-License-Identifier: Apache-2.0

-- Options of opamp.new that say how the server is reached.

local agents = require("support.agents")
local authority = require("support.authority")
local opamp = require("opamp")
local peer = require("support.peer")
local shell = require("support.shell")

local function new(options)
  options.url = options.url or "wss://127.0.0.1:1/v1/opamp"
  return agents.try(options)
end

local function refused(code, options, ...)
  local client, message, got = new(options)
  assert.is_nil(client)
  assert.equal(code, got)
  for i = 1, select("#", ...) do
    assert.matches((select(i, ...)), message, 1, true)
  end
  return message
end

local function misused(options, ...)
  local message = agents.raised(new, options)
  for i = 1, select("#", ...) do
    assert.matches((select(i, ...)), message, 1, true)
  end
  return message
end

describe("headers", function()
  local server

  setup(function() server = peer.start() end)
  teardown(function() server:close() end)
  after_each(agents.close)

  local function shown(client)
    local uid = agents.uid(client)
    return server:wait(client, function(e)
      return e.event == "connected" and e.headers["OpAMP-Instance-UID"] == uid
    end).headers
  end

  it("are a map, or a list, which may have a name twice", function()
    local client = new({
      url = server:url(),
      headers = { Authorization = "ApiKey x", ["X-A"] = "" },
    })
    client:start()
    local headers = shown(client)
    assert.equal("ApiKey x", headers.Authorization)
    client = new({
      url = server:url(),
      headers = { { "X-B", "1" }, { "X-C", "2" }, { "X-B", "3" } },
    })
    client:start()
    headers = shown(client)
    assert.equal("2", headers["X-C"])
    assert.equal("1, 3", headers["X-B"])
  end)

  it("that cannot be are refused", function()
    refused("invalid", { headers = { A = "b\r\nC: d" } }, 'headers: header "A"')
    refused("invalid", { headers = { ["A b"] = "c" } }, 'headers: header "A b"')
    refused("invalid", { headers = { [""] = "c" } }, "headers")
    refused("invalid", { headers = { ["Content-Type"] = "c" } }, "headers",
      "Content-Type")
    refused("invalid", { proxy_headers = { A = "b\n" } }, "proxy_headers")
  end)

  it("of wrong types raise", function()
    misused({ headers = 5 }, "headers must be a table")
    misused({ headers = { A = 5 } }, "headers: names and values", "strings")
    misused({ headers = { "A", "b" } }, "headers: names and values")
    misused({ headers = { { "A" } } }, "headers: names and values")
    misused({ proxy_headers = { A = true } }, "proxy_headers: names and values")
  end)

  -- Covers: SEC-2
  it("are never told in a message", function()
    local messages = {
      refused("invalid", { headers = { A = "SECRET\n" } }),
      refused("invalid", { headers = { [""] = "SECRET" } }),
      refused("invalid", { headers = { Host = "SECRET" } }),
      misused({ headers = { A = "SECRET\0" } }),
      misused({ headers = { SECRET = 5 } }),
      misused({ headers = { [5] = "SECRET" } }),
      misused({ headers = { { "A", "SECRET", "x" }, { "B" } } }),
      refused("invalid", { proxy = "http://u:SECRET@h:1:1" }),
      refused("invalid", { proxy_headers = { A = "SECRET\n" } }),
    }
    for _, message in ipairs(messages) do
      assert.is_nil(message:find("SECRET", 1, true), message)
    end
    local client = new({ url = server:url(), log_level = "debug",
      headers = { Authorization = "SECRET" } })
    local events = agents.record(client, "log", "connecting", "connected")
    agents.connect(client)
    for _, event in ipairs(events) do
      assert.is_nil(event.text:find("SECRET", 1, true), event.text)
    end
    assert.is_nil(tostring(client):find("SECRET", 1, true))
  end)
end)

describe("a proxy", function()
  after_each(agents.close)

  it("is a URL, or false for none", function()
    for _, proxy in ipairs({ false, "localhost:3128", "http://u:p@localhost:1",
      "https://localhost", "socks5://localhost", "socks5h://localhost" }) do
      assert(new({ proxy = proxy }))
    end
    refused("invalid", { proxy = "ftp://x" }, "proxy", "ftp")
    refused("invalid", { proxy = "" }, "proxy")
    misused({ proxy = 5 }, "'proxy' must be")
    misused({ proxy = true }, "'proxy' must be a URL or false")
  end)

  -- Covers: SET-9
  it("is asked instead of the server", function()
    local server = agents.own(peer.start())
    local proxy = server.address
    local client = new({
      url = "http://opamp.invalid/v1/opamp",
      proxy = "http://" .. proxy,
      proxy_headers = { ["X-Proxy"] = "yes" },
    })
    agents.connect(client)
    local headers = server:wait(client, function(e)
      return e.event == "message"
    end).headers
    assert.equal("opamp.invalid", headers.Host)
    assert.equal("yes", headers["X-Proxy"])
    client:close()
    -- The server itself does not get them.
    client = new({ url = server:url("http"), proxy = false,
      proxy_headers = { ["X-Proxy"] = "yes" } })
    agents.connect(client)
    local uid = agents.uid(client)
    headers = server:wait(client, function(e)
      return e.event == "message" and e.instance_uid == uid
    end).headers
    assert.is_nil(headers["X-Proxy"])
  end)
end)

describe("TLS", function()
  local server, folder

  setup(function()
    folder = shell.folder()
    authority.make(folder .. "/ca")
    server = peer.start("--tls-cert", folder .. "/ca/server.pem",
      "--tls-key", folder .. "/ca/server.key",
      "--client-ca", folder .. "/ca/ca.pem", "--client-ca-optional")
  end)
  teardown(function()
    server:close()
    shell.remove(folder)
  end)
  after_each(agents.close)

  local function file(name)
    return folder .. "/ca/" .. name
  end

  local function subject(client)
    local uid = agents.uid(client)
    local shown = server:wait(client, function(e)
      return e.event == "connected" and e.headers["OpAMP-Instance-UID"] == uid
    end).tls.client_certificate
    return shown and shown.subject
  end

  -- Covers: SET-8
  it("trusts an authority in a file or a text", function()
    for _, scheme in ipairs({ "ws", "http" }) do
      for _, tls in ipairs({ { ca = file("ca.pem") },
        { ca_pem = shell.read(file("ca.pem")) } }) do
        agents.connect(new({ url = server:url(scheme), tls = tls })):close()
      end
    end
  end)

  it("may be read long before the client is made", function()
    local copy = folder .. "/copy.pem"
    shell.output(("cp %s %s"):format(file("ca.pem"), copy))
    local connected = 0
    local options = {
      url = server:url(),
      tls = { ca = copy },
      on = { connected = function() connected = connected + 1 end },
    }
    local make = assert(opamp.prepare(options))
    os.remove(copy)
    agents.connect(agents.own(assert(make())))
    agents.connect(agents.own(assert(make())))
    assert.equal(2, connected)
    local nothing, message, code = opamp.prepare(options)
    assert.is_nil(nothing)
    assert.equal("io", code)
    assert.matches(copy, message, 1, true)
    assert.matches("opamp.prepare: a table expected, not nil",
      agents.raised(opamp.prepare), 1, true)
  end)

  it("trusts the authorities of a directory", function()
    shell.output(("mkdir %s && cp %s %s"):format(file("dir"), file("ca.pem"),
      file("dir/one.pem")))
    shell.output("openssl rehash " .. file("dir"))
    agents.connect(new({ url = server:url(), tls = { ca = file("dir") } }))
  end)

  it("shows a certificate in files or texts", function()
    local client = agents.connect(new({ url = server:url(), tls = {
      ca = file("ca.pem"), cert = file("agent.pem"), key = file("agent.key"),
    } }))
    assert.matches("agent", subject(client))
    client = agents.connect(new({ url = server:url(), tls = {
      ca_pem = shell.read(file("ca.pem")),
      cert_pem = shell.read(file("other.pem")),
      key_pem = shell.read(file("other.key")),
      min_version = "1.2",
      max_version = "TLSv1.3",
      ciphers = { "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
    } }))
    assert.matches("other", subject(client))
  end)

  it("verifies unless it shall not", function()
    local client = new({ url = server:url(), tls = { system_ca = true } })
    local failed = agents.record(client, "connect_failed")
    client:start()
    local event = agents.await(client, failed)
    assert.equal("tls", event.code)
    assert.is_true(event.retry_in > 0)
    assert.matches("certificate", event.error)
    client:close()
    agents.connect(new({ url = server:url(), tls = { verify = false } }))
  end)

  it("tells which file cannot be read", function()
    for _, name in ipairs({ "ca", "cert", "key" }) do
      local tls = { cert = file("agent.pem"), key = file("agent.key") }
      tls[name] = file("missing")
      refused("io", { tls = tls }, file("missing"), "No such file")
    end
  end)

  it("tells what is wrong with certificates", function()
    refused("tls", { tls = { ca_pem = "x" } }, "no certificate")
    refused("tls", { tls = { cert = file("agent.pem") } }, "without a key")
    refused("tls", { tls = { cert = file("agent.pem"),
      key = file("other.key") } })
    refused("invalid", { tls = { min_version = "0.9" } }, "tls.min_version",
      "0.9")
    refused("invalid", { tls = { max_version = "x" } }, "tls.max_version")
    refused("invalid", { tls = { ciphers = { "NONE" } } }, "tls.ciphers",
      "NONE")
    refused("invalid", { tls = { ca = "a\0b" } }, "tls.ca", "zero byte")
  end)

  it("has options that raise by name when they are misused", function()
    misused({ tls = true }, "'tls' must be a table, not boolean")
    misused({ tls = { ca_file = "x" } }, "no option 'tls.ca_file'")
    misused({ tls = { "x" } }, "no option 'tls.")
    misused({ tls = { verify = 1 } }, "'tls.verify' must be a boolean")
    misused({ tls = { system_ca = 1 } }, "'tls.system_ca' must be a boolean")
    misused({ tls = { ciphers = "X" } }, "'tls.ciphers' must be a list")
    misused({ tls = { ciphers = { 5 } } }, "'tls.ciphers' must be a list")
    for _, name in ipairs({ "ca", "ca_pem", "cert", "cert_pem", "key",
      "key_pem", "min_version", "max_version" }) do
      misused({ tls = { [name] = 5 } }, "'tls." .. name .. "' must be a string")
    end
  end)
end)
