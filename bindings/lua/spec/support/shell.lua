-- SPDX-License-Identifier: Apache-2.0

--- What Lua cannot do itself is done by a shell: folders, files, processes.

local shell = {}

-- How long anything may take. Long, because machines can be slow: nothing waits
-- when all is well.
shell.patience = 20

local spec = debug.getinfo(1, "S").source:match("^@(.*)support/") or "spec/"

--- A path of the repository.
function shell.repository(path)
  return spec .. "../../../" .. path
end

--- An argument as the shell takes it.
function shell.quote(argument)
  return "'" .. argument:gsub("'", "'\\''") .. "'"
end

-- The sanitizers that this process was given are not for the shell's programs,
-- which free nothing at their end.
local preloaded = os.getenv("LD_PRELOAD") or ""
local sanitized = preloaded:find("asan", 1, true) ~= nil

--- A pipe from a command.
function shell.popen(command)
  if sanitized then
    command = "exec env -u LD_PRELOAD sh -c " .. shell.quote(command)
  end
  return assert(io.popen(command))
end

--- What a command writes, and its exit status.
function shell.run(command)
  -- io.popen of 5.1 does not tell the status.
  local pipe = shell.popen(command .. "\nprintf '\\n%d' $?")
  local said = pipe:read("*a")
  pipe:close()
  local output, status = said:match("^(.*)\n(%d+)$")
  return output, tonumber(status)
end

--- What a command that must not fail writes.
function shell.output(command)
  local output, status = shell.run(command)
  if status ~= 0 then
    error(("%s: exit status %s: %s"):format(command, status, output), 2)
  end
  return output
end

--- A new folder, empty and private. Remove it when the test is over.
function shell.folder()
  return (shell.output("mktemp -d"):gsub("\n$", ""))
end

function shell.remove(folder)
  shell.output("rm -rf " .. shell.quote(folder))
end

function shell.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

function shell.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Runs a Lua program in a process of its own, by the Lua that runs this one
-- and with the same modules. Its output, that of stderr, and its status.
function shell.lua(source, ...)
  local folder = shell.folder()
  local words = {
    sanitized and "LD_PRELOAD=" .. shell.quote(preloaded) or "",
    shell.quote(shell.interpreter()),
    shell.quote(shell.write(folder .. "/program.lua", source)),
  }
  for i = 1, select("#", ...) do
    words[#words + 1] = shell.quote((select(i, ...)))
  end
  local errors = folder .. "/errors"
  local output, status = shell.run(
    table.concat(words, " ") .. " 2>" .. shell.quote(errors))
  local said = shell.read(errors)
  shell.remove(folder)
  return output, said, status
end

--- The program that runs this.
function shell.interpreter()
  local first = 0
  while arg and arg[first - 1] do
    first = first - 1
  end
  return arg[first]
end

return shell
