-- SPDX-License-Identifier: Apache-2.0

--- Makes a program an agent that a server manages with OpAMP, the Open Agent
-- Management Protocol.
--
-- The work is done by `opamp.core`, in C, whose clients and loops are objects
-- here; what calls handlers is below, in Lua, so that handlers may yield. There
-- are no threads, no globals and no output.
--
-- Durations are numbers of seconds, sizes are in bytes, hashes and instance
-- uids are strings of bytes. A wrong type, an unknown name or a closed client
-- raise; what the world causes is returned as `nil, message, code`, where the
-- code is a short string: `"tls"`, `"io"`, `"invalid"`, `"busy"`, `"forked"`…
-- @module opamp

local calling = require("opamp.calling")
local core = require("opamp.core")
local handle = require("opamp.handlers").handle

local poll, next_event = core.poll, core.next
local own_table, now, wait = core.own_table, core.now, core.wait

local Client, Loop = core.client_methods, core.loop_methods

local opamp = {
  _VERSION = "opamp " .. core.version,
  null = core.null,
  array = core.array,
  map = core.map,
  double = core.double,
  bytes = core.bytes,
  encode = core.encode,
  decode = core.decode,
  uid_text = core.uid_text,
  uid_bytes = core.uid_bytes,
  limits = core.limits,
  features = core.features,
  configdir = core.configdir,
}

--- Attribute values that Lua cannot write otherwise.
--
-- An attribute is a string of UTF-8, a boolean, a number, a list, or a map; a
-- table with a first item is a list, every other one a map. In Lua 5.3 and
-- newer 1 is a whole number and 1.0 a float. Before, a number without a
-- fraction is a whole number as long as it is exact (up to 2^53 either way),
-- else a float.
-- @section values

--- The value that stands for nothing, also `ngx.null` and `cjson.null`.
-- @field null

--- Marks a table as a list, which matters for an empty one.
-- @function array
-- @tab list which is marked itself, with a metatable
-- @treturn table it

--- Marks a table as a map.
-- @function map
-- @tab map which is marked itself, with a metatable
-- @treturn table it

--- A number that is a float even when it has no fraction.
-- @function double
-- @number number
-- @treturn table what stands for it

--- Bytes, which need not be UTF-8.
-- @function bytes
-- @string bytes
-- @treturn table what stands for them

--- @section end

-- Driving ---------------------------------------------------------------------

-- How many events wait in Lua for a handler to return.
local MOST_ASIDE = 1024

local function loop_of(driven)
  return own_table(driven).loop or driven
end

-- The next event, of those that were put aside first.
local function take(state, loop)
  if state.aside and state.aside[1] then
    return table.remove(state.aside, 1)
  end
  return next_event(loop)
end

-- Adds waiting events to a list, until it has so many.
local function collect(loop, list, most)
  while #list < most do
    local event = next_event(loop)
    if not event then
      break
    end
    list[#list + 1] = event
  end
  return list
end

-- Hands waiting events to their handlers, one after the other.
local function dispatch(loop)
  local state = own_table(loop)
  if state.dispatching then
    -- A handler is suspended, or called this. Events are taken all the same, or
    -- else timeout() would be 0 until it returns. For what is too much the
    -- library has a limit.
    state.aside = collect(loop, state.aside or {}, MOST_ASIDE)
    return 0
  end
  state.dispatching = true
  local handled = 0
  local event = take(state, loop)
  while event do
    local client = event.client
    if client and not client:is_closed() then
      handle(client, own_table(client), event)
    end
    handled = handled + 1
    event = take(state, loop)
  end
  state.dispatching = false
  return handled
end

local function step(driven)
  local n, message, code = poll(driven)
  if n == 0 then
    calling.go_on()
    return 0
  end
  if not n then
    return nil, message, code
  end
  return dispatch(loop_of(driven))
end

-- Raises in the name of the function that the caller is.
local function check_options(options, known, name)
  if options == nil then
    return {}
  end
  if type(options) ~= "table" then
    error(("%s: a table expected, not %s"):format(name, type(options)), 3)
  end
  for key in pairs(options) do
    if not known[key] then
      error(("%s: there is no option '%s'"):format(name, tostring(key)), 3)
    end
  end
  return options
end

local function check_seconds(value, name, what)
  if value ~= nil and type(value) ~= "number" then
    error(("%s: %s must be a number of seconds, not %s"):format(
      name, what, type(value)), 3)
  end
  return value
end

local function poll_events(driven, seconds)
  local deadline = now() + (check_seconds(seconds, "poll", "the time") or 0)
  local loop = loop_of(driven)
  if own_table(loop).dispatching then
    error("poll: called while a handler runs", 2)
  end
  local n, message, code = poll(driven)
  while n == 0 and now() < deadline do
    wait(driven, deadline - now())
    n, message, code = poll(driven)
  end
  if not n then
    return nil, message, code
  end
  return collect(loop, {}, math.huge)
end

-- Steps and waits until `done()`, or the time is over.
local function run_until(driven, done, seconds)
  local deadline = seconds and now() + seconds or math.huge
  while true do
    local n, message, code = step(driven)
    if not n then
      return nil, message, code
    end
    if driven:is_closed() or done() then
      return true
    end
    local left = deadline - now()
    if left <= 0 then
      return nil, "the time is over", "timeout"
    end
    wait(driven, left)
  end
end

local known_of_run = { until_ = true, timeout = true }

local function run(driven, options)
  options = check_options(options, known_of_run, "run")
  local until_ = options.until_
  if until_ ~= nil and type(until_) ~= "function" then
    error("run: 'until_' must be a function, not " .. type(until_), 2)
  end
  local timeout = check_seconds(options.timeout, "run", "'timeout'")
  local is_client = driven.start ~= nil
  if is_client then
    local ok, message, code = driven:start()
    if not ok then
      return nil, message, code
    end
  elseif not until_ and not timeout then
    error("run: 'until_' or 'timeout' is needed for a loop", 2)
  end
  return run_until(driven, function()
    return is_client and driven:state() == "stopped"
      or until_ ~= nil and until_(driven)
  end, timeout)
end

local function check_handler(kind, handler, name, level)
  if type(kind) ~= "string" then
    error(("%s: a kind of events expected, not %s"):format(name, type(kind)),
      level)
  end
  if not core.kinds[kind] and kind ~= "error" and kind ~= "other" then
    error(("%s: there are no events of kind '%s'"):format(name, kind), level)
  end
  if type(handler) ~= "function" then
    error(("%s: a function expected for '%s', not %s"):format(name, kind,
      type(handler)), level)
  end
end

-- What is kept for a client that is open.
local function open_state(client, name)
  if client:is_closed() then
    error(name .. ": the client is closed", 3)
  end
  return own_table(client)
end

local function add(list, kind, handler)
  list[kind] = list[kind] or {}
  table.insert(list[kind], handler)
end

-- What an adapter begins with. The adapter before lets go first: many loops
-- watch a descriptor once only.
local function attach(driven, detach)
  if type(detach) ~= "function" then
    error("attach: a function expected, not " .. type(detach), 2)
  elseif driven:is_closed() then
    error("attach: it is closed", 2)
  end
  if driven.start then -- a loop has none
    local started, message, code = driven:start()
    if not started then
      return nil, message, code
    end
  end
  local state = own_table(driven)
  local former = state.detach
  state.detach = nil
  if former then
    former()
  end
  state.detach = detach
  return driven:fd()
end

-- Clients ---------------------------------------------------------------------

--- A client: one agent, as the server sees it.
-- @type client

--- Has a handler called with each event of a kind. Several run in the order in
-- which they came. For an offer the handler may return the answer: `"applied"`,
-- `"failed"` and a text, or `"applying"`; what it raises is an answer, too:
-- failed. An offer that nobody answers is reported as failed when its time is
-- over (option `offer_deadline`).
-- @string kind of event, `"error"` for what handlers raise, or `"other"` for
-- all events that have no handler of their own
-- @func handler is called with the event and the client, and may yield
-- @treturn client
function Client:on(kind, handler)
  check_handler(kind, handler, "client:on", 3)
  add(open_state(self, "client:on").handlers, kind, handler)
  return self
end

--- Has a function called with each event of a kind, after the handlers. It does
-- not count as one: events go to "other" all the same, and what it returns is
-- no answer. For adapters, which add to what a program does.
-- @string kind of event, or `"error"`
-- @func observer is called with the event and the client, and may yield
-- @treturn client
function Client:observe(kind, observer)
  check_handler(kind, observer, "client:observe", 3)
  add(open_state(self, "client:observe").observers, kind, observer)
  return self
end

--- Does what there is to do, without waiting, and calls the handlers of what
-- came of it. While a handler is suspended it keeps the connection going, calls
-- no handler, and returns 0.
-- @function client:step
-- @treturn int|nil,string,string how many events were handled; or nil, a
-- message and a code
Client.step = step

--- The events there are, as a list; no handler is called.
-- @function client:poll
-- @number[opt=0] seconds how long to wait for one
-- @treturn table|nil,string,string the events; or nil, a message and a code
Client.poll = poll_events

--- Starts the client unless it runs, then steps and waits until it has stopped.
-- For programs that do nothing else.
-- @tab[opt] options `until_`, a function: ends when it returns true; `timeout`,
-- in seconds
-- @treturn true|nil,string,string true; or nil, a message and a code,
-- `"timeout"` when the time was over
-- @function client:run
Client.run = run

local known_of_stop = { disconnect = true, wait = true }

--- Asks the client to stop: what was not delivered and AgentDisconnect are
-- sent, the connection ends, and then comes the event "stopped", after option
-- `stop_timeout` at the latest. It may be started again.
-- @tab[opt] options `disconnect`: false sends no AgentDisconnect; `wait`: steps
-- until it has stopped, for so many seconds at most
-- @treturn true|nil,string,string true; or nil, a message and a code
function Client:stop(options)
  options = check_options(options, known_of_stop, "client:stop")
  local seconds = check_seconds(options.wait, "client:stop", "'wait'")
  if options.disconnect ~= nil and type(options.disconnect) ~= "boolean" then
    error("client:stop: 'disconnect' must be a boolean, not "
      .. type(options.disconnect), 2)
  end
  local ok, message, code = core.stop(self, options.disconnect == false)
  if not ok or not seconds then
    return ok, message, code
  end
  return run_until(self, function()
    return self:state() == "stopped"
  end, seconds)
end

--- For adapters, as what they begin with: starts the client, unless it runs,
-- and has the adapter let go that it had. `close`, also that of its loop, calls
-- `detach` first, while the descriptor is still open; the garbage collector
-- does not.
-- @function client:attach
-- @func detach lets go of the client
-- @treturn int|nil,string,string the descriptor to watch; or nil, a message and
-- a code
Client.attach = attach

--- Whether there is nothing left to do: the client is closed or of another
-- process, or it has stopped and its last events were handled.
-- @treturn boolean
function Client:is_over()
  local state = not self:is_closed() and self:state()
  return not state or state == "stopped" and self:timeout() ~= 0
end

--- The loop that does its work.
-- @treturn loop
function Client:loop()
  return open_state(self, "client:loop").loop
end

--- How many handlers have raised an error.
-- @treturn int
function Client:handler_errors()
  return open_state(self, "client:handler_errors").handler_errors
end

--- @section end

-- Loops -----------------------------------------------------------------------

--- A loop does the work of any number of clients, as a client does its own.
-- @type loop

--- As `client:step`, for all its clients.
-- @function loop:step
Loop.step = step

--- As `client:poll`, for all its clients: `event.client` says whose it is.
-- @function loop:poll
Loop.poll = poll_events

--- Steps and waits.
-- @tab options `until_`, a function: ends when it returns true; `timeout`, in
-- seconds; one of them is needed
-- @treturn true|nil,string,string true; or nil, a message and a code
-- @function loop:run
Loop.run = run

--- As `client:fd`.
-- @function loop:fd

--- As `client:timeout`.
-- @function loop:timeout

--- Makes the next wait return at once.
-- @function loop:wake

--- As `client:attach`; its clients have to be started.
-- @function loop:attach
Loop.attach = attach

--- Whether it is closed. There may be clients to come.
-- @treturn boolean
function Loop:is_over()
  return self:is_closed()
end

--- Frees it now, and its clients, which tell their servers nothing.
-- @function loop:close

--- @section end

--- Events are tables: `kind`, a string; `client`; `text`, for people; and what
-- the kind brings (see the page about events). `raw` is the part of the
-- server's message that the event came from, as a packed ServerToAgent, and nil
-- for kinds without a message. An event may be kept; its methods answer what
-- the library asks, until it is too late for that.
-- @type event

--- @section end

--- A directory that shows the files of an offer, as a set.
-- @type configdir

--- @section end

--- A loop for several clients.
-- @tab[opt] options `max_connections`, at once: 64
-- @treturn loop|nil,string,string the loop; or nil, a message and a code
function opamp.loop(options)
  options = check_options(options, { max_connections = true }, "opamp.loop")
  local most = options.max_connections or 64
  if type(most) ~= "number" or most % 1 ~= 0 or most < 1 or most > 1e6 then
    error("opamp.loop: 'max_connections' must be a whole number from 1 to 1e6",
      2)
  end
  return core.new_loop(most)
end

-- The handlers that options give, before anything is made.
local function check_handlers(on)
  if on ~= nil and type(on) ~= "table" then
    error("opamp.new: option 'on' must be a table, not " .. type(on), 4)
  end
  for kind, handler in pairs(on or {}) do
    check_handler(kind, handler, "opamp.new: option 'on'", 5)
  end
end

local function check_new(options, name)
  if type(options) ~= "table" then
    error(("%s: a table expected, not %s"):format(name, type(options)), 3)
  end
  check_handlers(options.on)
end

local function make(plan, options)
  local loop = options.loop
  if not loop then
    local made, message, code = core.new_loop(1)
    if not made then
      return nil, message, code
    end
    loop = made
  end
  local client, message, code = core.new_client(plan, loop, not options.loop)
  if not client then
    if not options.loop then
      loop:close()
    end
    return nil, message, code
  end
  local state = own_table(client)
  state.loop, state.handlers, state.observers = loop, {}, {}
  state.handler_errors = 0
  for kind, handler in pairs(options.on or {}) do
    client:on(kind, handler)
  end
  return client
end

--- A new client, which does nothing before it is started.
-- @tab options see the page about options
-- @treturn client|nil,string,string the client; or nil, a message and a code
function opamp.new(options)
  check_new(options, "opamp.new")
  local plan, message, code = core.plan(options)
  if not plan then
    return nil, message, code
  end
  return make(plan, options)
end

--- What `new` does before it makes the client: looks at the options, and reads
-- the files they name, and the system's authorities where they are used. For a
-- host that loses sight of its files in between.
-- @tab options as those of `new`
-- @treturn function|nil,string,string makes a client of them each time it is
-- called, as `new`; or nil, a message and a code
function opamp.prepare(options)
  check_new(options, "opamp.prepare")
  local plan, message, code = core.plan(options)
  if not plan then
    return nil, message, code
  end
  return function()
    return make(plan, options)
  end
end

return opamp
