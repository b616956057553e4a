-- SPDX-License-Identifier: Apache-2.0

--- What the agent is told to do, as opamp-agent is: one table for each line of
-- input. All return what the client's methods do.

local base64 = require("base64")

local commands = {}

local function health(given)
  local components
  for name, part in pairs(given.components or {}) do
    components = components or {}
    components[name] = health(part)
  end
  local nanoseconds = given.start_time_unix_nano
  return {
    healthy = given.healthy,
    status = given.status,
    last_error = given.last_error,
    start_time = nanoseconds and nanoseconds / 1e9,
    components = components,
  }
end

function commands.set_health(client, given)
  return client:set_health(health(given.health))
end

function commands.set_description(client, given)
  return client:set_description {
    identifying = given.identifying,
    non_identifying = given.non_identifying,
  }
end

-- Those and no others.
function commands.set_capabilities(client, given)
  local set = {}
  for name in pairs(client:capabilities()) do
    set[name] = false
  end
  for _, name in ipairs(given.capabilities) do
    set[name] = true
  end
  return client:set_capabilities(set)
end

function commands.set_custom_capabilities(client, given)
  return client:set_custom_capabilities(given.capabilities)
end

function commands.send_custom(client, given)
  local data = base64.decode(given.data)
  return client:send_custom(given.capability, given.type, data)
end

function commands.set_effective_config(client, given)
  local files = {}
  for name, file in pairs(given.files) do
    local bytes = file.body_base64 and base64.decode(file.body_base64)
    files[name] = {
      body = bytes or file.body,
      content_type = file.content_type,
    }
  end
  return client:set_effective_config(files)
end

function commands.set_components(client, given)
  return client:set_available_components { components = given.components }
end

function commands.batch(client, given)
  client:hold()
  local ok, message, code = true, nil, nil
  for _, each in ipairs(given.commands) do
    if ok then
      ok, message, code = commands[each.command](client, each)
    end
  end
  client:release()
  return ok, message, code
end

function commands.stop(client)
  return client:stop()
end

return commands
