-- SPDX-License-Identifier: Apache-2.0

--- The options of opamp-agent that its tests use.

-- What each takes: nothing, text, milliseconds, or one more item of a list.
local takes = {
  json = "nothing",
  control = "nothing",
  ["request-certificate"] = "nothing",
  apply = "text",
  ca = "text",
  compression = "text",
  ["config-dir"] = "text",
  ["header-command"] = "text",
  ["on-restart"] = "text",
  ["service-name"] = "text",
  ["state-dir"] = "text",
  ["backoff-min"] = "milliseconds",
  heartbeat = "milliseconds",
  ["poll-interval"] = "milliseconds",
  ["reconnect-delay"] = "milliseconds",
  ["trial-interval"] = "milliseconds",
  ["trial-timeout"] = "milliseconds",
  capabilities = "item",
  describe = "item",
  header = "item",
  identify = "item",
}

local arguments = {}

--- Reads the words of a command line. What is no option is the URL; durations
-- become seconds, lists are there even if empty, and names get underscores.
function arguments.read(words)
  local given = {}
  for name, kind in pairs(takes) do
    given[name] = kind == "item" and {} or nil
  end
  local i = 1
  while words[i] do
    local name = words[i]:match("^%-%-(.*)$")
    local kind = name and takes[name]
    assert(kind or not name, words[i])
    if not name then
      given.url = words[i]
    elseif kind == "nothing" then
      given[name] = true
    else
      i = i + 1
      local value = assert(words[i], name)
      if kind == "item" then
        table.insert(given[name], value)
      else
        given[name] = kind == "text" and value or assert(tonumber(value)) / 1000
      end
    end
    i = i + 1
  end
  local named = {}
  for name, value in pairs(given) do
    named[name:gsub("-", "_")] = value
  end
  return named
end

--- A table of words like `name=value` or `name: value`.
function arguments.pairs(words, separator)
  local values = {}
  for _, word in ipairs(words) do
    local name, value = word:match("^(.-)" .. separator .. "(.*)$")
    values[assert(name, word)] = value
  end
  return values
end

return arguments
