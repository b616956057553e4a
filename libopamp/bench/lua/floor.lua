-- SPDX-License-Identifier: Apache-2.0
-- floor.lua LIBRARY URL: what opamp_loop_poll() costs a connected agent of
-- the C library that has nothing to do. LuaJIT compiles these loops to plain
-- calls of C, so that this is the floor of a step.

local ffi = require("ffi")

ffi.cdef([[
typedef struct opamp_client opamp_client;
typedef struct opamp_event opamp_event;
typedef struct opamp_loop opamp_loop;
typedef struct opamp_options opamp_options;
int opamp_options_new(opamp_options **out);
int opamp_options_set_text(opamp_options *o, int key, const char *value);
int opamp_loop_new(opamp_loop **out, uint32_t max_connections);
int opamp_loop_poll(opamp_loop *l, int timeout_ms);
opamp_event *opamp_loop_next_event(opamp_loop *l);
int opamp_event_kind(const opamp_event *e);
void opamp_event_free(opamp_event *e);
const char *opamp_event_kind_name(int kind);
int opamp_client_new(opamp_client **out, opamp_loop *l, const opamp_options *o);
int opamp_client_start(opamp_client *c);
const char *opamp_errmsg(void);
]])

local URL = 1 -- OPAMP_TEXT_URL
local ROUNDS, CALLS = 9, 50000

local C = ffi.load(arg[1])

local function check(status)
  if status < 0 then
    error(ffi.string(C.opamp_errmsg()))
  end
end

local function make(kind, new, ...)
  local out = ffi.new(kind .. " *[1]")
  check(new(out, ...))
  return out[0]
end

local options = make("opamp_options", C.opamp_options_new)
local loop = make("opamp_loop", C.opamp_loop_new, 1)
check(C.opamp_options_set_text(options, URL, arg[2]))
local client = make("opamp_client", C.opamp_client_new, loop, options)
check(C.opamp_client_start(client))

local delivered = false
while not delivered do
  check(C.opamp_loop_poll(loop, 1000))
  local event = C.opamp_loop_next_event(loop)
  while event ~= nil do
    local kind = C.opamp_event_kind(event)
    delivered = delivered or
      ffi.string(C.opamp_event_kind_name(kind)) == "delivered"
    C.opamp_event_free(event)
    event = C.opamp_loop_next_event(loop)
  end
end

local function microseconds()
  local begun = os.clock()
  for _ = 1, CALLS do
    C.opamp_loop_poll(loop, 0)
  end
  return (os.clock() - begun) / CALLS * 1e6
end

local found = {}
for round = 0, ROUNDS do
  found[round] = microseconds()
end
table.sort(found)
print("c_us", found[(ROUNDS + 1) / 2])
