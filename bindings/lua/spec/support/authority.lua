-- SPDX-License-Identifier: Apache-2.0

--- Certificates, made as for the tests in C and Python.

local shell = require("support.shell")

local authority = {}

local program = [[
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from authority import Authority
Authority(pathlib.Path(sys.argv[2]))
]]

--- Makes those of an authority, of a server and of agents: ca, server, agent
-- and other, each with .pem and .key. The folder must not exist.
function authority.make(folder)
  shell.output(("python3 -c %s %s %s 2>&1"):format(shell.quote(program),
    shell.quote(shell.repository("tests/c/tools")), shell.quote(folder)))
  return folder
end

return authority
