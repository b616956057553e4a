-- SPDX-License-Identifier: Apache-2.0

-- Certificates as text instead of where they are.
-- In a chroot nothing of it can be read.

local certificates = {}

local BUNDLES = { -- where systems have their authorities
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
}

local IS_DIRECTORY = 21 -- errno

local function read(path)
  local file, why, code = io.open(path, "rb")
  if not file then
    return nil, why, code
  end
  local text
  text, why, code = file:read("*a")
  file:close()
  return text, why and path .. ": " .. why, code
end

local function must_read(path)
  local text, why = read(path)
  return text or error("opamp.haproxy: " .. why, 0)
end

local function is_directory(path)
  local _, _, code = read(path)
  return code == IS_DIRECTORY
end

local function system_bundle()
  local text = read(os.getenv("SSL_CERT_FILE") or BUNDLES[1])
  for i = 2, #BUNDLES do
    text = text or read(BUNDLES[i])
  end
  return text
end

local function both(a, b)
  return a and b and a .. "\n" .. b or a or b
end

-- The option `tls` with nothing in it that is the name of a file, and with the
-- system's authorities where they are to be used. What cannot be read raises. A
-- directory of authorities stays one: Lua cannot list it.
-- `url`: the option `url`
-- `given`: the option `tls`, which is not changed; nil: none
function certificates.of(url, given)
  if given ~= nil and type(given) ~= "table" then
    return given -- which opamp.new complains of
  end
  local tls = {}
  for name, value in pairs(given or {}) do
    tls[name] = value
  end
  for _, name in ipairs({ "cert", "key" }) do
    if tls[name] then
      tls[name], tls[name .. "_pem"] = nil, must_read(tls[name])
    end
  end
  if tls.ca and not is_directory(tls.ca) then
    tls.ca, tls.ca_pem = nil, both(tls.ca_pem, must_read(tls.ca))
  end
  local scheme = tostring(url):match("^%a+:")
  local is_secure = scheme == "wss:" or scheme == "https:"
  if tls.system_ca or is_secure and not (tls.ca or tls.ca_pem) then
    tls.ca_pem = both(tls.ca_pem, system_bundle())
  end
  return tls
end

return certificates
