-- SPDX-License-Identifier: Apache-2.0 Writes what ldoc reads: lua/opamp.lua,
-- and in its sections the comments of the methods that are in C. (ldoc reads C,
-- too, but finds no classes there.)
--
--   lua doc/reference.lua lua/opamp.lua src/*.c > …/opamp.lua

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- A comment of C as one of Lua.
local function as_lua(comment)
  local lines = {}
  for line in comment:gmatch("[^\n]+") do
    lines[#lines + 1] = (#lines == 0 and "---" or "-- ") .. line
  end
  return table.concat(lines, "\n") .. "\n\n"
end

-- The comments by what they belong to: "client" of client:close, else "".
local found = {}
for i = 2, #arg do
  for comment in read(arg[i]):gmatch("/%*%*%*(.-)%*/") do
    local name = assert(comment:match("@function ([%w_:]+)"), comment)
    local class = name:match("^(%w+):") or ""
    found[class] = (found[class] or "") .. as_lua(comment)
  end
end

local function take(class)
  local text = found[class] or ""
  found[class] = nil
  return text
end

local class
for line in read(arg[1]):gmatch("([^\n]*)\n") do
  class = line:match("^%-%- @type (%w+)") or class
  if class and line == "--- @section end" then
    io.write(take(class))
    class = nil
  elseif line == "return opamp" then
    io.write(take(""))
  end
  -- Methods are called by the name of an object, not of their table.
  line = line:gsub("^function (%u%w*):", function(name)
    return "function " .. name:lower() .. ":"
  end)
  io.write(line, "\n")
end
assert(not next(found), "a class is missing in lua/opamp.lua")
