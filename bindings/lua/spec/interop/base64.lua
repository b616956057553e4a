-- SPDX-License-Identifier: Apache-2.0

--- Base64, in which bytes are in JSON.

local base64 = {}

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  .. "0123456789+/"

function base64.encode(bytes)
  local text = bytes:gsub("..?.?", function(group)
    local a, b, c = group:byte(1, 3)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    local quad = ""
    for power = 3, 3 - #group, -1 do
      local digit = math.floor(bits / 64 ^ power) % 64
      quad = quad .. letters:sub(digit + 1, digit + 1)
    end
    return quad .. ("="):rep(3 - #group)
  end)
  return text
end

function base64.decode(text)
  local bytes = text:gsub("=", ""):gsub("..?.?.?", function(group)
    local bits = 0
    for i = 1, 4 do
      local digit = i <= #group and letters:find(group:sub(i, i), 1, true) or 1
      bits = bits * 64 + digit - 1
    end
    local triple = string.char(math.floor(bits / 65536),
      math.floor(bits / 256) % 256, bits % 256)
    return triple:sub(1, #group - 1)
  end)
  return bytes
end

return base64
