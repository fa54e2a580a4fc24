/** What {@linkcode parseArgs} returns: the options by name, and the words that are none in `_`. */
// deno-lint-ignore no-explicit-any -- as the registry's package types it where it cannot infer
export type Args = Record<string, any> & { _: (string | number)[]; "--"?: string[] };

/** Options for {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Whether what follows `--` goes to the property "--" instead of `_`. @default {false} */
  "--"?: boolean;
  /** Other names of options. */
  alias?: Record<string, string | readonly string[]>;
  /** Options that are true or false; `true` for all that are written `--name`. @default {false} */
  boolean?: boolean | string | readonly string[];
  /** Values of options that are not given. */
  default?: Record<string, unknown>;
  /** Whether all that follows the first word that is no option goes to `_`. @default {false} */
  stopEarly?: boolean;
  /** Options whose values stay texts; "_" stands for the words that are no options. */
  string?: string | readonly string[];
  /** Options that may be given several times; their values come as an array. */
  collect?: string | readonly string[];
  /** Options that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /**
   * Called with each option that is neither `string` nor `boolean` nor has an alias, and with each
   * word that is no option (without `key`). If it returns `false`, the word is left out.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Value = string | number | boolean;

const OPTION = /^(--?)([^]+?)(?:=([^]+))?$/;
const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/**
 * Reads a command line: `--name value`, `--name=value`, `--switch`, `-abc`, `-n value`, `-n5`.
 * Values that look like numbers become numbers unless their option is one of `string`. A value
 * behind a space may not begin with `-`; `--name=-1` is the way to say that.
 *
 * @param args The words.
 * @param options See {@linkcode ParseOptions}.
 */
export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const aliases = aliasGroups(options.alias ?? {});
  const booleans = withAliases(options.boolean, aliases);
  const strings = withAliases(options.string, aliases);
  const collected = withAliases(options.collect, aliases);
  const negatable = withAliases(options.negatable, aliases);
  const result: Args = { _: [] };

  const end = args.indexOf("--");
  const words = end === -1 ? args : args.slice(0, end);
  const rest = end === -1 ? [] : args.slice(end + 1);

  function set(name: string, value: Value, word: string, isNegated = false): void {
    const isKnown = booleans.has(name) || strings.has(name) || aliases.has(name) ||
      (options.boolean === true && /^--[^=]+$/.test(word));
    if (!isKnown && options.unknown?.(word, name, value) === false) return;
    const converted = strings.has(name) ? value : numberIfItLooksLikeOne(value);
    const collect = collected.has(name) && !isNegated;
    for (const key of [name, ...aliases.get(name) ?? []]) put(result, key, converted, collect);
  }

  /** What an option without `=` is set to, and how many of the following words that takes. */
  function valueBehind(name: string, next: string | undefined, isValue: boolean): [Value, number] {
    const isBoolean = booleans.has(name) || aliases.get(name)?.some((key) => booleans.has(key));
    if (next && isValue && !isBoolean) return [next, 1];
    if (next === "true" || next === "false") return [next === "true", 1];
    return [strings.has(name) ? "" : true, 0];
  }

  /** Sets what `--name` says; returns how many of the following words it took. */
  function long(word: string, name: string, value: string | undefined, next?: string): number {
    if (value !== undefined) {
      set(name, booleans.has(name) ? value !== "false" : value, word);
      return 0;
    }
    if (name.startsWith("no-") && negatable.has(name.slice(3))) {
      set(name.slice(3), false, word, true);
      return 0;
    }
    const isValue = options.boolean !== true && !next?.startsWith("-");
    const [found, used] = valueBehind(name, next, isValue);
    set(name, found, word);
    return used;
  }

  /** Sets what `-abc` says; returns how many of the following words it took. */
  function letters(word: string, next?: string): number {
    for (let i = 1; i < word.length - 1; i++) {
      const letter = word[i]!;
      const behind = word.slice(i + 1);
      const isLetter = /[a-z]/i.test(letter);
      const equals = behind.indexOf("=");
      if (isLetter && equals !== -1 && equals < behind.length - 1) {
        set(letter, behind.slice(equals + 1), word);
        return 0;
      }
      if (behind === "-" || /^\W./s.test(behind) || (isLetter && /\d\.?$/.test(behind))) {
        set(letter, behind, word);
        return 0;
      }
      set(letter, strings.has(letter) ? "" : true, word);
    }
    const last = word.at(-1)!;
    const [found, used] = valueBehind(last, next, !/^--?[^-]/.test(next ?? ""));
    set(last, found, word);
    return used;
  }

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const [, dashes, name, value] = OPTION.exec(word) ?? [];
    if (dashes === "--") {
      i += long(word, name!, value, words[i + 1]);
    } else if (dashes === "-") {
      i += letters(word, words[i + 1]);
    } else {
      if (options.unknown?.(word) !== false) {
        result._.push(strings.has("_") ? word : numberIfItLooksLikeOne(word) as string | number);
      }
      if (options.stopEarly) {
        result._.push(...words.slice(i + 1));
        break;
      }
    }
  }

  for (const [name, value] of Object.entries(options.default ?? {})) {
    if (has(result, name)) continue;
    for (const key of [name, ...aliases.get(name) ?? []]) put(result, key, value, false);
  }
  for (const name of booleans) {
    if (!has(result, name)) put(result, name, collected.has(name) ? [] : false, false);
  }
  for (const name of strings) {
    if (!has(result, name) && collected.has(name)) put(result, name, [], false);
  }
  if (options["--"]) result["--"] = rest;
  else result._.push(...rest);
  return result;
}

/** For each name all the others that mean the same. */
function aliasGroups(alias: NonNullable<ParseOptions["alias"]>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [name, others] of Object.entries(alias)) {
    const all = [name, ...[others].flat()];
    for (const one of all) groups.set(one, all.filter((other) => other !== one));
  }
  return groups;
}

/** The names of an option of {@linkcode parseArgs}, with all their aliases. */
function withAliases(
  names: boolean | string | readonly string[] | undefined,
  aliases: Map<string, string[]>,
): Set<string> {
  const list = typeof names === "string" ? [names] : typeof names === "object" ? names : [];
  return new Set(list.flatMap((name) => [name, ...aliases.get(name) ?? []]));
}

function numberIfItLooksLikeOne(value: Value): Value {
  return typeof value === "string" && NUMBER.test(value) ? Number(value) : value;
}

type Nested = { [name: string]: unknown };

/** Sets a property; the dots of its name lead into objects. */
function put(target: Nested, name: string, value: unknown, collect: boolean): void {
  const path = name.split(".");
  const last = path.pop()!;
  for (const part of path) {
    if (!Object.hasOwn(target, part)) define(target, part, {});
    target = target[part] as Nested;
  }
  if (!collect) define(target, last, value);
  else if (!Object.hasOwn(target, last)) define(target, last, [value]);
  else define(target, last, [target[last], value].flat());
}

/** Sets an own property, also one named "__proto__". */
function define(target: Nested, name: string, value: unknown): void {
  const rights = { writable: true, enumerable: true, configurable: true };
  Object.defineProperty(target, name, { value, ...rights });
}

function has(target: Nested, name: string): boolean {
  let found: unknown = target;
  return name.split(".").every((part) => {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, part)) return false;
    found = (found as Nested)[part];
    return true;
  });
}
