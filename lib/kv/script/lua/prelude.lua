-- Prepares the interpreter: builds what scripts see, and runs them.
--
-- The host (TypeScript) is called through `os.execute`, the only function of the standard library
-- that passes a string to the outside and returns a number. Scripts cannot reach it. The first
-- character of the string says what is wanted. The number's last three bits say what came back:
local NIL, STRING, ABSENT, ERROR, STATUS, OK, NUMBER, INTEGER = 0, 1, 2, 3, 4, 5, 6, 7
-- INTEGER carries its value in the other bits; all others but NIL, ABSENT and OK leave a value in
-- `registry.reply`. ABSENT is the null of RESP3, which scripts see as nil instead of false.

local host, getinfo, registry, newproxy = os.execute, debug.getinfo, debug.getregistry(), newproxy
local concat, floor, format, sub, find = table.concat, math.floor, string.format, string.sub, string.find
local type, select, tonumber, tostring = type, select, tonumber, tostring
local rawget, rawset, setfenv, setmetatable = rawget, rawset, setfenv, setmetatable
local error, pairs = error, pairs
local pcall, xpcall, loadstring, collectgarbage = pcall, xpcall, loadstring, collectgarbage
local PRELUDE = "=redis"

-- The globals of the running script.
local env
-- The protocol that the script has chosen with redis.setresp, as the host knows it too.
local protocol

-- A number as a command's argument, in full precision.
local function numeral(number)
  return format("%.17g", number)
end

-- Short lengths with a comma before them: looking one up is several times faster than formatting it.
local lengths = {}
for i = 0, 255 do lengths[i] = "," .. i end

local function length_of(text)
  return lengths[#text] or "," .. #text
end

-- Encodes a request as "count,length,length...;" and the arguments. Returns nil and an error if an
-- argument is neither a string nor a number.
local function encode(...)
  local count = select("#", ...)
  local a, b = ...
  -- Most commands in scripts have one argument, a string.
  if count == 2 and type(a) == "string" and type(b) == "string" then
    return "c2" .. length_of(a) .. length_of(b) .. ";" .. a .. b
  end
  if count == 0 then return nil, "ERR Please specify at least one argument for this redis lib call" end
  local args, head = { ... }, { "c" .. count }
  for i = 1, count do
    local arg = args[i]
    if type(arg) == "number" then
      arg = numeral(arg)
      args[i] = arg
    elseif type(arg) ~= "string" then
      return nil, "ERR Lua redis lib command arguments must be strings or integers"
    end
    head[i + 1] = length_of(arg)
  end
  return concat(head) .. ";" .. concat(args)
end

local function failure(message)
  return { err = message, ignore_error_stats_update = true }
end

-- Runs a command. Returns its reply, or nil and an error.
local function command(...)
  local request, problem = encode(...)
  if not request then return nil, failure(problem) end
  local code = host(request)
  local kind = code % 8
  if kind == INTEGER then return (code - INTEGER) / 8 end
  if kind == STRING then return registry.reply end
  if kind == NIL then return false end
  if kind == OK then return { ok = "OK" } end
  if kind == NUMBER then return tonumber(registry.reply) end
  if kind == STATUS then return { ok = registry.reply } end
  if kind == ERROR then return nil, failure(registry.reply) end
  return nil
end

local redis = {
  LOG_DEBUG = 0,
  LOG_VERBOSE = 1,
  LOG_NOTICE = 2,
  LOG_WARNING = 3,
  REPL_ALL = 3,
  REPL_AOF = 1,
  REPL_NONE = 0,
  REPL_REPLICA = 2,
  REPL_SLAVE = 2,
}

function redis.call(...)
  local reply, problem = command(...)
  if problem then error(problem, 0) end
  return reply
end

function redis.pcall(...)
  local reply, problem = command(...)
  if problem then return problem end
  return reply
end

local function only_string(...)
  if select("#", ...) ~= 1 or type((...)) ~= "string" then
    error(failure("ERR wrong number or type of arguments"), 0)
  end
  return (...)
end

function redis.error_reply(...)
  local message = only_string(...)
  if sub(message, 1, 1) == "-" then message = sub(message, 2) end
  if not find(message, " ", 1, true) then
    message = "ERR " .. message
  end
  return { err = message }
end

function redis.status_reply(...)
  return { ok = only_string(...) }
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then error(failure("ERR wrong number of arguments"), 0) end
  local text = tostring((...))
  host("h" .. #text .. ";" .. text)
  return registry.reply
end

function redis.log(...)
  if select("#", ...) < 2 then error(failure("ERR redis.log() requires two arguments or more."), 0) end
  local level = tonumber((...))
  if not level then error(failure("ERR First argument must be a number (log level)."), 0) end
  if level < 0 or level > 3 then error(failure("ERR Invalid debug level."), 0) end
end

function redis.setresp(...)
  if select("#", ...) ~= 1 then error(failure("ERR redis.setresp() requires one argument."), 0) end
  local version = tonumber((...))
  if version ~= 2 and version ~= 3 then error(failure("ERR RESP version must be 2 or 3."), 0) end
  protocol = version
  host("r" .. version)
end

-- Writes go to the log and to nowhere else, always as their effects.
function redis.replicate_commands() return true end
function redis.set_repl() end
function redis.breakpoint() return false end
function redis.debug() end
function redis.acl_check_cmd(...)
  local request, problem = encode(...)
  if not request then error(failure(problem), 0) end
  return host("a" .. sub(request, 2)) ~= 0
end

-- Random numbers are those of drand48, with a seed from the host: when a script has to run again, the
-- host gives the same seed, and the script makes the same choices.
local seed_high, seed_low
local function seed(value)
  value = floor(value) % 2 ^ 32
  seed_high, seed_low = floor(value / 256), value % 256 * 2 ^ 16 + 0x330E
end

-- The 48 bits are kept in two halves of 24, so that no product exceeds the 53 bits of a number.
local function random_bits()
  if not seed_high then seed(host("s")) end
  -- The multiplier 0x5DEECE66D is 0x5DE * 2^24 + 0xECE66D.
  local low = seed_low * 0xECE66D + 0xB
  local high = seed_high * 0xECE66D + seed_low * 0x5DE + floor(low / 2 ^ 24)
  seed_low, seed_high = low % 2 ^ 24, high % 2 ^ 24
  return floor((seed_high * 2 ^ 24 + seed_low) / 2 ^ 17)
end

local function random(...)
  local r = random_bits() % 0x7FFFFFFF / 0x7FFFFFFF
  local count = select("#", ...)
  if count == 0 then return r end
  local from, to = 1, (...)
  if count == 2 then
    from, to = ...
  elseif count ~= 1 then
    error("wrong number of arguments", 2)
  end
  from, to = tonumber(from), tonumber(to)
  if not from or not to then error("bad argument to 'random' (number expected)", 2) end
  from, to = floor(from), floor(to)
  if from > to then error("bad argument #" .. count .. " to 'random' (interval is empty)", 2) end
  return floor(r * (to - from + 1)) + from
end

local function randomseed(value)
  value = tonumber(value)
  if not value then error("bad argument #1 to 'randomseed' (number expected)", 2) end
  seed(value)
end

-- Compiles text with the script's globals. Compiled code would not be checked, so it is refused.
local function load_text(text, name)
  if type(text) ~= "string" then text = tostring(text) end
  if sub(text, 1, 1) == "\27" then
    return nil, "bad argument: compiled code cannot be loaded"
  end
  local loaded, problem = loadstring(text, name or text)
  if loaded then setfenv(loaded, env) end
  return loaded, problem
end

local function load_pieces(read, name)
  local pieces = {}
  for i = 1, math.huge do
    local piece = read()
    if piece == nil or piece == "" then break end
    if type(piece) ~= "string" then return nil, "reader function must return a string" end
    pieces[i] = piece
  end
  return load_text(concat(pieces), name or "=(load)")
end

-- The pcall of Redis returns the message of an error that is a table with `err`.
local function unwrap(done, problem, ...)
  if not done and type(problem) == "table" then
    local message = rawget(problem, "err")
    if message ~= nil then return done, message end
  end
  return done, problem, ...
end

local function script_pcall(...)
  return unwrap(pcall(...))
end

-- Collects, but does not change the collector for the scripts that follow.
local function collect(option, ...)
  if option == nil or option == "collect" or option == "count" or option == "step" then
    return collectgarbage(option or "collect", ...)
  end
  return 0
end

math.random, math.randomseed = random, randomseed

local functions = {
  assert = assert,
  collectgarbage = collect,
  error = error,
  gcinfo = gcinfo,
  getmetatable = getmetatable,
  ipairs = ipairs,
  load = load_pieces,
  loadstring = load_text,
  next = next,
  pairs = pairs,
  pcall = script_pcall,
  rawequal = rawequal,
  rawget = rawget,
  rawset = rawset,
  select = select,
  setmetatable = setmetatable,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  unpack = unpack,
  xpcall = xpcall,
  _VERSION = _VERSION,
}

local cjson = registry.cjson
local libraries = {
  string = string,
  table = table,
  math = math,
  coroutine = coroutine,
  redis = redis,
  cjson = cjson,
  bit = registry.bit,
}
cjson.null = newproxy()

local function refuse_write()
  error("Attempt to modify a readonly table", 2)
end

-- A script sees each library through an empty table of its own, so that nothing it stores there
-- outlives it.
local library_meta = {}
for name, library in pairs(libraries) do
  library_meta[name] = { __index = library, __newindex = refuse_write, __metatable = false }
end

setmetatable(functions, {
  __index = function(_, name)
    if name == "_G" then return env end
    local meta = library_meta[name]
    if not meta then
      error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end
    local view = setmetatable({}, meta)
    rawset(env, name, view)
    return view
  end,
})
local env_meta = { __index = functions, __newindex = refuse_write, __metatable = false }
-- Strings find their methods here.
getmetatable("").__metatable = false

-- The line of the script that raised an error; `level` is that of the function that raised it.
local function where(level)
  for at = level, level + 20 do
    local info = getinfo(at, "Sl")
    if not info then return nil end
    if info.what ~= "C" and info.what ~= "tail" and info.source ~= PRELUDE then return info.source, info.currentline end
  end
end

local function on_error(problem)
  local source, line = where(3)
  local message
  if type(problem) == "table" then
    message = rawget(problem, "err")
    message = message == nil and "ERR unknown error" or tostring(message)
  else
    message = "ERR " .. tostring(problem)
  end
  return { message = message, source = source, line = line }
end

local MAX_DEPTH = 1000

local append

local function append_pairs(parts, kind, entries, depth, with_values)
  local count, head = 0, #parts + 1
  parts[head] = ""
  for key, value in pairs(entries) do
    count = count + 1
    append(parts, key, depth)
    if with_values then append(parts, value, depth) end
  end
  parts[head] = kind .. count .. "\n"
end

local function sized(kind, text)
  return kind .. #text .. "\n" .. text
end

-- Appends a value to what the host gets. The form is that of RESP3, but lines end with a newline
-- alone and every string has its length first.
function append(parts, value, depth)
  local kind = type(value)
  local at = #parts + 1
  if kind == "string" then
    parts[at] = sized("$", value)
  elseif kind == "number" then
    local whole = value < 0 and -floor(-value) or floor(value)
    if whole >= -2 ^ 63 and whole < 2 ^ 63 then
      parts[at] = format(":%.0f\n", whole)
    else
      parts[at] = ":-9223372036854775808\n"
    end
  elseif kind == "boolean" then
    if protocol == 3 then
      parts[at] = value and "#t\n" or "#f\n"
    else
      parts[at] = value and ":1\n" or "_\n"
    end
  elseif kind ~= "table" then
    parts[at] = "_\n"
  elseif depth > MAX_DEPTH then
    parts[at] = sized("-", "ERR reached lua stack limit")
  else
    local problem, status = rawget(value, "err"), rawget(value, "ok")
    local double, map, set = rawget(value, "double"), rawget(value, "map"), rawget(value, "set")
    local big, verbatim = rawget(value, "big_number"), rawget(value, "verbatim_string")
    if type(problem) == "string" then
      parts[at] = sized("-", problem)
    elseif type(status) == "string" then
      parts[at] = sized("+", status)
    elseif type(double) == "number" then
      parts[at] = sized("$", format("%.17g", double))
    elseif type(map) == "table" then
      append_pairs(parts, "%", map, depth + 1, true)
    elseif type(set) == "table" then
      append_pairs(parts, "~", set, depth + 1, false)
    elseif type(big) == "string" then
      parts[at] = sized("$", big)
    elseif type(verbatim) == "table" and type(rawget(verbatim, "string")) == "string" then
      parts[at] = sized("=", rawget(verbatim, "string"))
    else
      parts[at] = ""
      local count = 0
      while true do
        local item = rawget(value, count + 1)
        if item == nil then break end
        count = count + 1
        append(parts, item, depth + 1)
      end
      parts[at] = "*" .. count .. "\n"
    end
  end
end

-- The compiled scripts by their hash.
local scripts = {}
registry.scripts = scripts

-- Runs a compiled script and returns its reply, encoded. The keys and arguments follow, with the
-- number of keys first; or a function returns them in two tables.
function registry.run(hash, keys, ...)
  local KEYS, ARGV
  if type(keys) == "function" then
    KEYS, ARGV = keys()
  elseif keys == "1" then
    KEYS, ARGV = { (...) }, { select(2, ...) }
  else
    local count, all = tonumber(keys), { ... }
    KEYS, ARGV = {}, {}
    for i = 1, count do KEYS[i] = all[i] end
    for i = count + 1, #all do ARGV[i - count] = all[i] end
  end
  env = setmetatable({ KEYS = KEYS, ARGV = ARGV }, env_meta)
  protocol, seed_high = 2, nil
  cjson.reset()
  local script = scripts[hash]
  setfenv(script, env)
  local done, result = xpcall(script, on_error)
  local text
  if not done then
    -- An error in the handler itself arrives as a string.
    if type(result) ~= "table" then result = { message = "ERR " .. tostring(result) } end
    text = result.message .. " script: " .. hash
    if result.source then text = text .. ", on " .. result.source .. ":" .. result.line .. "." end
    text = sized("-", text)
  elseif type(result) == "string" then
    text = sized("$", result)
  else
    local parts = {}
    append(parts, result, 1)
    text = concat(parts)
  end
  env = nil
  return text
end
