-- SPDX-License-Identifier: Apache-2.0
rockspec_format = "3.0"
package = "libopamp"
version = "0.1.0-1"
-- The archive of ./dev dist, which needs no protoc-c.
source = {
  url = "https://github.com/libopamp/libopamp/releases/download/v0.1.0/libopamp-0.1.0.tar.gz",
  dir = "libopamp-0.1.0/bindings/lua",
}
description = {
  summary = "OpAMP client: an agent that a server manages",
  detailed = [[
OpAMP is the protocol by which a server sees the state and health of its agents
and hands out their configuration. For plain Lua, nginx, HAProxy, luv, Neovim,
cqueues and Tarantool.]],
  homepage = "https://github.com/libopamp/libopamp",
  license = "Apache-2.0",
  labels = { "opamp", "opentelemetry", "network" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.5" }
-- CMake looks for the C libraries, and says which packages bring them. With
-- LIBOPAMP_USE_SYSTEM=1 in the environment, an installed libopamp is used.
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_C_FLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    INSTALL_LIBDIR = "$(LIBDIR)",
    INSTALL_LUADIR = "$(LUADIR)",
  },
  copy_directories = { "doc", "examples" },
}
