-- SPDX-License-Identifier: Apache-2.0

--- The agent in luv's loop: on_luv.lua URL HEARTBEAT. And in Neovim's, where
-- these are in the environment.

local vim = rawget(_G, "vim")
local uv = vim and vim.loop or require("luv")
local adapter = require("opamp.luv")

local suspended = {}

-- In Neovim a handler goes on where it may use vim.api.
local later = vim and vim.schedule or function(work)
  work()
end

local tell = require("agent").new(
  vim and os.getenv("URL") or arg[1],
  vim and os.getenv("HEARTBEAT") or arg[2],
  adapter.attach,
  {
    check = function()
      -- Not allowed in a callback of luv.
      if vim then
        vim.api.nvim_buf_set_lines(0, 0, -1, true, { "edited" })
      end
    end,
    wait = function()
      suspended[#suspended + 1] = coroutine.running()
      coroutine.yield()
    end,
    resume = function()
      local thread = table.remove(suspended, 1)
      later(function()
        coroutine.resume(thread)
      end)
    end,
  }
)

-- Keeps Neovim from all but callbacks of luv until the next command.
local busy = false

local function block()
  vim.schedule(function()
    busy = true
    io.stdout:write("blocked\n")
    vim.wait(60000, function()
      return not busy
    end, 1, true)
  end)
end

local input = uv.new_pipe(false)
input:open(0)
input:read_start(function(_, text)
  if not text then
    input:close()
    if vim then
      vim.schedule(function()
        vim.cmd("qall!")
      end)
    end
    return
  end
  for line in text:gmatch("[^\n]+") do
    if line == "block" then
      block()
    elseif line == "release" then
      busy = false
    else
      tell(line)
    end
  end
end)

if not vim then
  uv.run()
end
