/** The result of {@linkcode parseArgs}: the options by name, and the other words in `_`. */
// deno-lint-ignore no-explicit-any -- as the registry's package types it where it cannot infer
export type Args = Record<string, any> & { _: (string | number)[]; "--"?: string[] };

/** Options for {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Whether the words after `--` go to the property "--" instead of `_`. @default {false} */
  "--"?: boolean;
  /** Aliases of options. */
  alias?: Record<string, string | readonly string[]>;
  /** Options that are true or false; `true` means all written as `--name`. @default {false} */
  boolean?: boolean | string | readonly string[];
  /** Values of the options that are missing. */
  default?: Record<string, unknown>;
  /** Whether the first word that is not an option ends the options. @default {false} */
  stopEarly?: boolean;
  /** Options whose values remain strings; "_" stands for the words that are not options. */
  string?: string | readonly string[];
  /** Options that may be repeated; their values form an array. */
  collect?: string | readonly string[];
  /** Options that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /**
   * Called for each option that is neither `string` nor `boolean` nor aliased, and for each word
   * that is not an option (without `key`). The word is dropped if this returns `false`.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Value = string | number | boolean;

const OPTION = /^(--?)([^]+?)(?:=([^]+))?$/;
const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/**
 * Parses a command line: `--name value`, `--name=value`, `--switch`, `-abc`, `-n value`, `-n5`.
 * Values that look like numbers become numbers unless `string` lists their option. A value after a
 * space cannot begin with `-`; write `--name=-1`.
 *
 * @param args The words of the command line.
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

  /** The value of an option without `=`, and how many of the following words it takes. */
  function valueBehind(name: string, next: string | undefined, isValue: boolean): [Value, number] {
    const isBoolean = booleans.has(name) || aliases.get(name)?.some((key) => booleans.has(key));
    if (next && isValue && !isBoolean) return [next, 1];
    if (next === "true" || next === "false") return [next === "true", 1];
    return [strings.has(name) ? "" : true, 0];
  }

  /** Applies `--name`; returns how many of the following words it has taken. */
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

  /** Applies `-abc`; returns how many of the following words it has taken. */
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

/** Maps each name to its aliases. */
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

/** Sets a property; dots in the name lead into nested objects. */
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

/** Sets an own property, even one named "__proto__". */
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
