-- SPDX-License-Identifier: Apache-2.0

-- What becomes of an event: its handlers, their answers, and their errors.

local calling = require("opamp.calling")

local call, failure = calling.call, calling.failure

local handlers = {}

-- What a handler of an offer returns, and the method that answers so.
local answers = { applied = "accept", failed = "reject", applying = "defer" }

-- The first answer counts; that there was one before is no mistake.
local function answer(event, result, text)
  if result == nil then
    return
  end
  local method = answers[result]
  if not method then
    error(("a handler of %s returned %s; it may return 'applied', 'failed' and"
      .. " a text, or 'applying'"):format(event.kind, tostring(result)), 0)
  end
  local ok, message, code = event[method](event, text and tostring(text))
  if not ok and code ~= "state" then
    error(message, 0)
  end
end

-- A text that a server takes, as an error's need not be.
local function reject(event, text)
  text = text:gsub("%z", "?")
  local _, _, code = event:reject(text)
  if code == "utf8" then
    event:reject((text:gsub("[\128-\255]", "?")))
  end
end

local questions = { remote_config = true, connection_settings = true }

-- What a handler raised goes to the handlers of "error", else to stderr.
local function report(client, state, event, failed)
  state.handler_errors = state.handler_errors + 1
  local has_handler = state.handlers.error or state.observers.error
  if event.kind ~= "error" and has_handler then
    handlers.handle(client, state, {
      kind = "error",
      client = client,
      text = failed.text,
      error = failed.text,
      traceback = failed.trace,
      event = event,
    })
  else
    io.stderr:write(("opamp: a handler of %s failed: %s\n"):format(
      event.kind, failed.trace))
  end
end

local function finish(client, state, event, ok, result, text)
  local is_question = questions[event.kind]
  if ok and is_question then
    local message
    ok, message = pcall(answer, event, result, text)
    result = not ok and failure(message)
  end
  if not ok then
    if is_question then
      reject(event, result.text)
    end
    report(client, state, event, result)
  end
end

-- Hands an event to the handlers of its client, and then to the observers. A
-- handler may close the client; then it was the last.
function handlers.handle(client, state, event)
  local wanted = state.handlers[event.kind] or state.handlers.other or {}
  for i = 1, #wanted do
    finish(client, state, event, call(wanted[i], event, client))
    if client:is_closed() then
      return
    end
  end
  local observers = state.observers[event.kind] or {}
  for i = 1, #observers do
    local ok, result = call(observers[i], event, client)
    if not ok then
      report(client, state, event, result)
    end
  end
end

return handlers
