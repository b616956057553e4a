-- SPDX-License-Identifier: Apache-2.0
-- What every Lua here runs on: there are no globals but those of all versions,
-- and of the host that a file is for.
std = "min"
max_line_length = 80
codes = true

files["spec/*_spec.lua"] = { std = "+busted" }
files["**/nginx*"] = { std = "ngx_lua" }
files["**/nginx/**"] = { std = "ngx_lua" }
files["**/*haproxy*"] = { read_globals = { "core" } }
files["**/haproxy/**"] = { read_globals = { "core" } }
files["**/*tarantool*"] = { read_globals = { "box" } }
files["**/neovim/**"] = { globals = { "vim" } }
