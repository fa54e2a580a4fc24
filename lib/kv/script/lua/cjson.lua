-- The library `cjson`, with the messages and the number format of the original.

local char, concat, find, floor, format, gsub, lower, sub =
  string.char, table.concat, string.find, math.floor, string.format, string.gsub, string.lower, string.sub
local error, pairs, pcall, rawget, select, tonumber, tostring, type =
  error, pairs, pcall, rawget, select, tonumber, tostring, type
local huge = math.huge

local cjson = { _NAME = "cjson", _VERSION = "2.1.0" }

-- The settings of the running script.
local settings = {}

-- Whether a script has called a function that may change the settings.
local changed = true

-- Gives all settings their initial values; called before each script.
function cjson.reset()
  if not changed then return end
  changed = false
  settings.sparse_convert, settings.sparse_ratio, settings.sparse_safe = false, 2, 10
  settings.encode_depth, settings.decode_depth = 1000, 1000
  settings.precision = 14
  settings.encode_invalid, settings.decode_invalid = false, true
end

local function setter(name, least, most)
  return function(value)
    if value ~= nil then
      local number = tonumber(value)
      if not number or number < least or number > most then
        error("bad argument #1 (expected integer between " .. least .. " and " .. most .. ")", 2)
      end
      settings[name] = number
      changed = true
    end
    return settings[name]
  end
end

local function switch(name)
  return function(value)
    if value ~= nil then
      settings[name] = value
      changed = true
    end
    return settings[name]
  end
end

cjson.encode_max_depth = setter("encode_depth", 1, 2 ^ 31 - 1)
cjson.decode_max_depth = setter("decode_depth", 1, 2 ^ 31 - 1)
cjson.encode_number_precision = setter("precision", 1, 16)
cjson.encode_invalid_numbers = switch("encode_invalid")
cjson.decode_invalid_numbers = switch("decode_invalid")

function cjson.encode_keep_buffer()
  return true
end

function cjson.encode_sparse_array(convert, ratio, safe)
  changed = true
  if convert ~= nil then settings.sparse_convert = convert end
  if ratio ~= nil then settings.sparse_ratio = tonumber(ratio) end
  if safe ~= nil then settings.sparse_safe = tonumber(safe) end
  return settings.sparse_convert, settings.sparse_ratio, settings.sparse_safe
end

function cjson.new()
  return cjson
end

-- Encoding

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\127"] = "\\u007f" }
for code = 0, 31 do escapes[char(code)] = format("\\u%04x", code) end
escapes["\b"], escapes["\f"], escapes["\n"], escapes["\r"], escapes["\t"] = "\\b", "\\f", "\\n", "\\r", "\\t"

local function quoted(text)
  return '"' .. gsub(text, '[%c"\\/\127%z]', escapes) .. '"'
end

local function refuse(what, why)
  error("Cannot serialise " .. what .. ": " .. why, 0)
end

local function numeral(number)
  if number ~= number or number == huge or number == -huge then
    if settings.encode_invalid == "null" then return "null" end
    if not settings.encode_invalid then refuse("number", "must not be NaN or Inf") end
  end
  return format("%." .. settings.precision .. "g", number)
end

-- The length of a table that is an array, or nil.
local function array_length(value)
  local longest, count = 0, 0
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key ~= floor(key) then return nil end
    if key > longest then longest = key end
    count = count + 1
  end
  local ratio = settings.sparse_ratio
  if ratio > 0 and longest > count * ratio and longest > settings.sparse_safe then
    if not settings.sparse_convert then refuse("table", "excessively sparse array") end
    return nil
  end
  return longest > 0 and longest or nil
end

local append

local function append_table(parts, value, depth)
  if depth > settings.encode_depth then
    error("Cannot serialise, excessive nesting (" .. depth .. ")", 0)
  end
  local length = array_length(value)
  if length then
    parts[#parts + 1] = "["
    for i = 1, length do
      if i > 1 then parts[#parts + 1] = "," end
      append(parts, rawget(value, i), depth)
    end
    parts[#parts + 1] = "]"
    return
  end
  parts[#parts + 1] = "{"
  local first = true
  for key, item in pairs(value) do
    if not first then parts[#parts + 1] = "," end
    first = false
    if type(key) == "string" then
      parts[#parts + 1] = quoted(key)
    elseif type(key) == "number" then
      parts[#parts + 1] = '"' .. numeral(key) .. '"'
    else
      refuse(type(key), "table key must be a number or string")
    end
    parts[#parts + 1] = ":"
    append(parts, item, depth)
  end
  parts[#parts + 1] = "}"
end

function append(parts, value, depth)
  local kind = type(value)
  if kind == "string" then
    parts[#parts + 1] = quoted(value)
  elseif kind == "number" then
    parts[#parts + 1] = numeral(value)
  elseif kind == "boolean" then
    parts[#parts + 1] = value and "true" or "false"
  elseif kind == "table" then
    append_table(parts, value, depth + 1)
  elseif value == nil or value == cjson.null then
    parts[#parts + 1] = "null"
  else
    refuse(kind, "type not supported")
  end
end

-- Decoding

local kinds = {
  ["{"] = "T_OBJ_BEGIN",
  ["}"] = "T_OBJ_END",
  ["["] = "T_ARR_BEGIN",
  ["]"] = "T_ARR_END",
  [":"] = "T_COLON",
  [","] = "T_COMMA",
  [""] = "T_END",
}

local unescapes = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
  b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local not_numbers = {
  inf = huge, infinity = huge, ["-inf"] = -huge, ["-infinity"] = -huge, nan = 0 / 0, ["-nan"] = 0 / 0,
}

-- A code point in UTF-8.
local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40) end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(
    0xF0 + floor(code / 0x40000),
    0x80 + floor(code / 0x1000) % 0x40,
    0x80 + floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

local function hex(text, at)
  local _, stop, digits = find(text, "^(%x%x%x%x)", at)
  return stop and tonumber(digits, 16)
end

-- Reads the string that starts after a quote. Returns it and the position after it; or nil, the
-- position of the mistake and its name.
local function read_string(text, at)
  local parts = {}
  while true do
    local stop = find(text, '["\\%z\1-\31]', at)
    if not stop then return nil, #text + 1, "unexpected end of string" end
    parts[#parts + 1] = sub(text, at, stop - 1)
    local mark = sub(text, stop, stop)
    if mark == '"' then return concat(parts), stop + 1 end
    if mark ~= "\\" then return nil, stop, "invalid token" end
    local kind = sub(text, stop + 1, stop + 1)
    if kind == "u" then
      local code = hex(text, stop + 2)
      at = stop + 6
      if code and code >= 0xD800 and code < 0xDC00 then
        local low = sub(text, at, at + 1) == "\\u" and hex(text, at + 2)
        at = at + 6
        if low and low >= 0xDC00 and low < 0xE000 then
          code = 0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00
        else
          code = nil
        end
      elseif code and code >= 0xDC00 and code < 0xE000 then
        code = nil
      end
      if not code then return nil, stop, "invalid unicode escape code" end
      parts[#parts + 1] = utf8(code)
    else
      local plain = unescapes[kind]
      if not plain then return nil, stop, "invalid escape code" end
      parts[#parts + 1] = plain
      at = stop + 2
    end
  end
end

-- Reads a token. Returns its kind, its value, its position and the position after it.
local function read_token(text, at)
  at = find(text, "[^ \t\r\n]", at) or #text + 1
  local mark = sub(text, at, at)
  local kind = kinds[mark]
  if kind then return kind, nil, at, at + 1 end
  if mark == '"' then
    local value, after, mistake = read_string(text, at + 1)
    if not value then return mistake, nil, after end
    return "T_STRING", value, at, after
  end
  local _, stop, word = find(text, "^(%a+)", at)
  if word == "true" then return "T_BOOLEAN", true, at, stop + 1 end
  if word == "false" then return "T_BOOLEAN", false, at, stop + 1 end
  if word == "null" then return "T_NULL", cjson.null, at, stop + 1 end
  _, stop, word = find(text, "^(-?%w[%w.+-]*)", at)
  if not word then return mark == "-" and "invalid number" or "invalid token", nil, at end
  local special = settings.decode_invalid and not_numbers[lower(word)]
  if special then return "T_NUMBER", special, at, stop + 1 end
  -- The longest beginning that is a number counts; what follows is the next token.
  for last = stop, at, -1 do
    local number = tonumber(sub(text, at, last))
    if number then return "T_NUMBER", number, at, last + 1 end
  end
  return find(mark, "[-%d]") and "invalid number" or "invalid token", nil, at
end

local function unexpected(wanted, kind, at)
  error("Expected " .. wanted .. " but found " .. kind .. " at character " .. at, 0)
end

local function read_value(text, at, depth)
  local kind, value, start, after = read_token(text, at)
  if kind == "T_STRING" or kind == "T_NUMBER" or kind == "T_BOOLEAN" or kind == "T_NULL" then
    return value, after
  end
  if kind ~= "T_OBJ_BEGIN" and kind ~= "T_ARR_BEGIN" then unexpected("value", kind, start) end
  depth = depth + 1
  if depth > settings.decode_depth then
    error("Found too many nested data structures (" .. depth .. ") at character " .. start, 0)
  end
  local result = {}
  local is_array = kind == "T_ARR_BEGIN"
  local closing = is_array and "T_ARR_END" or "T_OBJ_END"
  kind, value, start, at = read_token(text, after)
  if kind == closing then return result, at end
  local count = 0
  at = after
  while true do
    local item
    if is_array then
      count = count + 1
      item, at = read_value(text, at, depth)
      result[count] = item
    else
      local key
      kind, key, start, at = read_token(text, at)
      if kind ~= "T_STRING" then unexpected("object key string", kind, start) end
      kind, value, start, at = read_token(text, at)
      if kind ~= "T_COLON" then unexpected("colon", kind, start) end
      item, at = read_value(text, at, depth)
      result[key] = item
    end
    kind, value, start, at = read_token(text, at)
    if kind == closing then return result, at end
    if kind ~= "T_COMMA" then
      unexpected(is_array and "comma or array end" or "comma or object end", kind, start)
    end
  end
end

-- Raises an error of the library with the line of its caller, as a C function does.
local function raise(problem)
  error(problem, 3)
end

function cjson.encode(...)
  if select("#", ...) ~= 1 then error("bad argument #1 to 'encode' (expected 1 argument)", 2) end
  local parts = {}
  local done, problem = pcall(append, parts, (...), 0)
  if not done then raise(problem) end
  return concat(parts)
end

function cjson.decode(...)
  if select("#", ...) ~= 1 then error("bad argument #1 to 'decode' (expected 1 argument)", 2) end
  local text = ...
  if type(text) == "number" then text = tostring(text) end
  if type(text) ~= "string" then
    error("bad argument #1 to 'decode' (string expected, got " .. type(text) .. ")", 2)
  end
  local done, value, at = pcall(read_value, text, 1, 0)
  if not done then raise(value) end
  local kind, _, start = read_token(text, at)
  if kind ~= "T_END" then
    error("Expected the end but found " .. kind .. " at character " .. start, 2)
  end
  return value
end

return cjson
