-- SPDX-License-Identifier: Apache-2.0

-- Calling handlers so that their errors are caught and that they may yield.

local calling = {}

-- Lua 5.1 itself cannot yield across pcall; all others can.
local pcall_yields = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

-- What a handler raised: its text, and where it came from. That must not raise.
function calling.failure(message, co)
  local shown, text = pcall(tostring, message)
  message = shown and type(text) == "string" and text or "an error of no text"
  if co then
    return { text = message, trace = debug.traceback(co, message) }
  end
  return { text = message, trace = debug.traceback(message, 2) }
end

local failure = calling.failure

-- The coroutine that waits for a handler, by that of the handler: only in 5.1,
-- and only while the handler is suspended.
local waiting = {}
local OVER = {}

-- Runs a handler in a coroutine of its own and hands on what it yields. A
-- scheduler, which got that, resumes the outer coroutine; what else the handler
-- waits for resumes its own, which it has from coroutine.running().
local function call_in_coroutine(handler, event, client)
  local outer, by_outer = coroutine.running(), false
  local continue

  local function over(...)
    if not by_outer then
      assert(coroutine.resume(outer, OVER, true, ...))
    end
    return ...
  end

  local co = coroutine.create(function()
    return over(handler(event, client))
  end)

  local function resume(first, ...)
    if first == OVER then
      waiting[co] = nil
      return ...
    end
    by_outer = true
    return continue(coroutine.resume(co, first, ...))
  end

  function continue(ok, ...)
    by_outer, waiting[co] = false, nil
    if not ok then
      return false, failure((...), co)
    end
    if coroutine.status(co) == "dead" then
      return true, ...
    end
    if not outer then
      return false, failure("a handler yields outside of a coroutine", co)
    end
    waiting[co] = outer
    return resume(coroutine.yield(...))
  end

  return resume()
end

-- true and what the handler returned, or false and its failure.
function calling.call(handler, event, client)
  if not pcall_yields then
    return call_in_coroutine(handler, event, client)
  end
  return xpcall(function()
    return handler(event, client)
  end, failure)
end

local function failed_elsewhere()
  for co, outer in pairs(waiting) do
    if coroutine.status(co) == "dead" then
      return co, outer
    end
  end
end

-- Ends the wait for handlers of which nobody told their end: those that had an
-- error after they were resumed by others.
function calling.go_on()
  local co, outer = failed_elsewhere()
  while co do
    local text = "an error that who resumed the handler was told"
    coroutine.resume(outer, OVER, false, failure(text, co))
    co, outer = failed_elsewhere()
  end
end

return calling
