-- SPDX-License-Identifier: Apache-2.0
-- Neovim as an agent. Put it into ~/.config/nvim/plugin/.
--
-- The server that $OPAMP_URL names may set options: a file "options.json" such
-- as {"tabstop": 4, "expandtab": true}. Only those named here.

local url = os.getenv("OPAMP_URL")
if not url then
  return
end

local ALLOWED = { "tabstop", "shiftwidth", "expandtab", "textwidth" }

local opamp = require("opamp")
local client, why = opamp.new {
  url = url,
  identifying = { ["service.name"] = "neovim" },
  non_identifying = { ["process.pid"] = vim.fn.getpid() },
  capabilities = {
    "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig",
  },
}
if not client then
  vim.notify("opamp: " .. why, vim.log.levels.ERROR)
  return
end

local function show()
  local values = {}
  for _, name in ipairs(ALLOWED) do
    values[name] = vim.go[name]
  end
  client:set_effective_config {
    ["options.json"] = {
      body = vim.json.encode(values),
      content_type = "application/json",
    },
  }
end

-- An error in it is the text of the status FAILED.
client:on("remote_config", function(event)
  local file = event.files["options.json"]
  local values = vim.json.decode(file and file.body or "{}")
  for name in pairs(values) do
    if not vim.tbl_contains(ALLOWED, name) then
      error(name .. " is not to be set from afar", 0)
    end
  end
  for name, value in pairs(values) do
    vim.o[name] = value
  end
  show()
  return "applied"
end)
-- Neovim's own messages are the place for what would go to stderr.
client:on("error", function(event)
  vim.notify("opamp: " .. event.error, vim.log.levels.WARN)
end)

show()
local detach = require("opamp.luv").attach(client)

vim.api.nvim_create_autocmd("VimLeavePre", {
  callback = function()
    detach()
    client:stop { wait = 0.5 } -- says good-bye, if the server is there
  end,
})
