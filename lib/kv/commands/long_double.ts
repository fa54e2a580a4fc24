/**
 * Adds decimal numbers as INCRBYFLOAT does: in the 80-bit long double of x86, whose 64-bit mantissa
 * makes 10.5 plus 0.1 equal 10.6. A double is not precise enough, so this emulates the long double
 * with integers, exactly.
 *
 * @module
 */

/** A finite number, `mantissa` × 2^`exponent`. The mantissa is signed and has up to 64 bits. */
interface LongDouble {
  mantissa: bigint;
  exponent: number;
}

const MANTISSA_BITS = 64;

/** The exponent of the smallest positive number, 2^-16445. */
const MIN_EXPONENT = -16445;

/** The largest exponent of a 64-bit mantissa; anything larger is infinite. */
const MAX_EXPONENT = 16384 - MANTISSA_BITS;

/** The longest text that is parsed. */
const MAX_CHARS = 5 * 1024 - 1;

/** A number with a larger power of ten is infinite; with a smaller one than its negative, zero. */
const MAX_DECIMAL_EXPONENT = 5000;

/** The number of digits written after the decimal point. */
const FRACTION_DIGITS = 17;
const FRACTION_SCALE = 10n ** BigInt(FRACTION_DIGITS);

const DECIMAL = /^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x(?=\.?[\da-f])([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** Why {@linkcode addDecimals} has no sum. */
export type SumFailure = "not a number" | "infinite";

/**
 * Adds two numbers, each in decimal or hexadecimal notation or an infinity.
 *
 * @returns The sum without an exponent, rounded to 17 digits after the point and without trailing
 * zeros; or the reason why there is none.
 */
export function addDecimals(
  a: string,
  b: string,
): { ok: true; sum: string } | { ok: false; failure: SumFailure } {
  const x = parse(a), y = parse(b);
  if (x === undefined || y === undefined) return { ok: false, failure: "not a number" };
  if (x === "infinite" || y === "infinite") return { ok: false, failure: "infinite" };
  const exponent = Math.min(x.exponent, y.exponent);
  const sum = round(
    (x.mantissa << BigInt(x.exponent - exponent)) + (y.mantissa << BigInt(y.exponent - exponent)),
    exponent,
  );
  return sum === "infinite" ? { ok: false, failure: "infinite" } : { ok: true, sum: format(sum) };
}

/** Whether {@linkcode addDecimals} accepts a text as a number. */
export function isDecimal(text: string): boolean {
  return parse(text) !== undefined;
}

function parse(text: string): LongDouble | "infinite" | undefined {
  if (text.length > MAX_CHARS) return undefined;
  if (INFINITE.test(text)) return "infinite";
  const hexadecimal = HEXADECIMAL.exec(text);
  const match = hexadecimal ?? DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = "", power = "0"] = match;
  const digits = BigInt(`${hexadecimal ? "0x" : ""}${whole}${fraction}` || "0");
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  const signed = sign === "-" ? -digits : digits;
  const result = hexadecimal
    ? scaleBinary(signed, Number(power) - 4 * fraction.length)
    : scaleDecimal(signed, Number(power) - fraction.length);
  // Redis rejects finite numbers that overflow to infinity or underflow to zero.
  return result === "infinite" || result.mantissa === 0n ? undefined : result;
}

function scaleBinary(digits: bigint, power: number): LongDouble | "infinite" {
  if (power > 2 * MAX_EXPONENT) return "infinite";
  if (power + bitLength(digits) < MIN_EXPONENT - 1) return { mantissa: 0n, exponent: 0 };
  return round(digits, power);
}

function scaleDecimal(digits: bigint, power: number): LongDouble | "infinite" {
  const magnitude = (digits < 0n ? -digits : digits).toString().length + power;
  if (magnitude > MAX_DECIMAL_EXPONENT) return "infinite";
  if (magnitude < -MAX_DECIMAL_EXPONENT) return { mantissa: 0n, exponent: 0 };
  if (power >= 0) return round(digits * 10n ** BigInt(power), 0);
  const divisor = 10n ** BigInt(-power);
  const shift = Math.max(0, bitLength(divisor) - bitLength(digits) + MANTISSA_BITS + 3);
  const dividend = digits << BigInt(shift);
  const quotient = dividend / divisor;
  // A sticky bit records the remainder, so that round() can tell a half from more than a half.
  const sticky = dividend % divisor === 0n ? 0n : digits < 0n ? -1n : 1n;
  return round(2n * quotient + sticky, -shift - 1);
}

/** Rounds to a 64-bit mantissa, halves to even. */
function round(value: bigint, exponent: number): LongDouble | "infinite" {
  const magnitude = value < 0n ? -value : value;
  const drop = Math.max(bitLength(magnitude) - MANTISSA_BITS, MIN_EXPONENT - exponent);
  let mantissa = magnitude;
  if (drop > 0) {
    mantissa = shiftRight(magnitude, drop);
    exponent += drop;
  }
  const overflow = bitLength(mantissa) + exponent > MAX_EXPONENT + MANTISSA_BITS;
  if (overflow) return "infinite";
  return { mantissa: value < 0n ? -mantissa : mantissa, exponent };
}

/** Divides by a power of two, rounding halves to even. */
function shiftRight(value: bigint, bits: number): bigint {
  const quotient = value >> BigInt(bits);
  const rest = value - (quotient << BigInt(bits));
  const half = 1n << BigInt(bits - 1);
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}

function bitLength(value: bigint): number {
  const hex = (value < 0n ? -value : value).toString(16);
  return value === 0n ? 0 : 4 * hex.length - Math.clz32(parseInt(hex[0]!, 16)) + 28;
}

function format({ mantissa, exponent }: LongDouble): string {
  const magnitude = mantissa < 0n ? -mantissa : mantissa;
  const scaled = exponent >= 0
    ? (magnitude << BigInt(exponent)) * FRACTION_SCALE
    : shiftRight(magnitude * FRACTION_SCALE, -exponent);
  if (scaled === 0n) return "0";
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, "0");
  const whole = digits.slice(0, -FRACTION_DIGITS);
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, "");
  return `${mantissa < 0n ? "-" : ""}${whole}${fraction && "."}${fraction}`;
}
