-- The library `bit`: operations on 32-bit integers, in the arithmetic of doubles.

local floor, format, select, sub, tonumber, type, error =
  math.floor, string.format, select, string.sub, tonumber, type, error

-- Results for two half-bytes, by 16 times the first plus the second.
local both, either, one = {}, {}, {}
for a = 0, 15 do
  for b = 0, 15 do
    local n_and, n_or, n_xor = 0, 0, 0
    for power = 0, 3 do
      local x, y = floor(a / 2 ^ power) % 2, floor(b / 2 ^ power) % 2
      n_and = n_and + x * y * 2 ^ power
      n_or = n_or + (x + y > 0 and 1 or 0) * 2 ^ power
      n_xor = n_xor + (x + y) % 2 * 2 ^ power
    end
    both[16 * a + b], either[16 * a + b], one[16 * a + b] = n_and, n_or, n_xor
  end
end

-- An argument as an integer from 0 to 2^32 - 1.
local function unsigned(value, position, name)
  local number = tonumber(value)
  if type(value) == "boolean" or not number then
    local found = value == nil and "no value" or type(value)
    error("bad argument #" .. position .. " to '" .. name .. "' (number expected, got " .. found .. ")", 3)
  end
  return floor(number + 0.5) % 2 ^ 32
end

local function signed(number)
  return number >= 2 ^ 31 and number - 2 ^ 32 or number
end

local function combine(results, a, b)
  local sum, power = 0, 1
  for _ = 1, 8 do
    local x, y = a % 16, b % 16
    sum = sum + results[16 * x + y] * power
    a, b, power = (a - x) / 16, (b - y) / 16, power * 16
  end
  return sum
end

local function fold(name, results)
  return function(first, ...)
    local sum = unsigned(first, 1, name)
    for i = 1, select("#", ...) do
      sum = combine(results, sum, unsigned((select(i, ...)), i + 1, name))
    end
    return signed(sum)
  end
end

local function shift(name, apply)
  return function(value, count)
    return signed(apply(unsigned(value, 1, name), unsigned(count, 2, name) % 32))
  end
end

local function left(value, count)
  return value % 2 ^ (32 - count) * 2 ^ count
end

local function right(value, count)
  return floor(value / 2 ^ count)
end

local bit = {
  band = fold("band", both),
  bor = fold("bor", either),
  bxor = fold("bxor", one),
  lshift = shift("lshift", left),
  rshift = shift("rshift", right),
  arshift = shift("arshift", function(value, count)
    return floor(signed(value) / 2 ^ count) % 2 ^ 32
  end),
  rol = shift("rol", function(value, count)
    return left(value, count) + right(value, 32 - count)
  end),
  ror = shift("ror", function(value, count)
    return right(value, count) + left(value, 32 - count) % 2 ^ 32
  end),
}

function bit.tobit(value)
  return signed(unsigned(value, 1, "tobit"))
end

function bit.bnot(value)
  return signed(2 ^ 32 - 1 - unsigned(value, 1, "bnot"))
end

function bit.bswap(value)
  local rest, swapped = unsigned(value, 1, "bswap"), 0
  for _ = 1, 4 do
    swapped = swapped * 256 + rest % 256
    rest = floor(rest / 256)
  end
  return signed(swapped)
end

function bit.tohex(value, digits)
  local number = unsigned(value, 1, "tohex")
  local count = 8
  if digits ~= nil then count = signed(unsigned(digits, 2, "tohex")) end
  local form = "%08x"
  if count < 0 then
    form, count = "%08X", -count
  end
  if count > 8 then count = 8 end
  return sub(format(form, number), -count, count == 0 and 0 or -1)
end

return bit
