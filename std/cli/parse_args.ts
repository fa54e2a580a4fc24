/** What {@linkcode parseArgs} returns: the options by name, and the words that are none in `_`. */
// deno-lint-ignore no-explicit-any -- as the registry's package types it where it cannot infer
export type Args = Record<string, any> & { _: (string | number)[]; "--"?: string[] };

/** Options for {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Whether what follows `--` goes to the property "--" instead of `_`. @default {false} */
  "--"?: boolean;
  /** Other names of options. */
  alias?: Record<string, string | readonly string[]>;
  /** Options that are true or false, or `true` to treat all that have no `=` so. */
  boolean?: boolean | string | readonly string[];
  /** Values of options that are not given. */
  default?: Record<string, unknown>;
  /** Whether everything from the first word that is no option goes to `_`. @default {false} */
  stopEarly?: boolean;
  /** Options whose values stay texts; "_" stands for the words that are no options. */
  string?: string | readonly string[];
  /** Options that may be given several times; their values come as an array. */
  collect?: string | readonly string[];
  /** Options that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /**
   * Called with each option that none of the others names, and with each word that is no option
   * (without `key`). If it returns `false`, the word is left out of the result.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$|^0x[0-9a-f]+$/i;

/**
 * Reads a command line: `--name value`, `--name=value`, `--switch`, `-abc`, `-n value`, `-nvalue`.
 *
 * @param args The words.
 * @param options See {@linkcode ParseOptions}.
 */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const names = (list: string | readonly string[] | boolean | undefined) =>
    new Set(typeof list === "string" ? [list] : typeof list === "object" ? list : []);
  const booleans = names(options.boolean);
  const strings = names(options.string);
  const collected = names(options.collect);
  const negatable = names(options.negatable);
  const aliases = aliasGroups(options.alias ?? {});
  for (const set of [booleans, strings, collected, negatable]) {
    for (const name of [...set]) for (const alias of aliases.get(name) ?? []) set.add(alias);
  }
  const known = new Set([
    ...booleans,
    ...strings,
    ...collected,
    ...negatable,
    ...aliases.keys(),
    ...Object.keys(options.default ?? {}),
  ]);

  const separator = args.indexOf("--");
  const words = separator === -1 ? [...args] : args.slice(0, separator);
  const rest = separator === -1 ? [] : args.slice(separator + 1);
  const result: Args = { _: [] };
  const given = new Set<string>();

  function isUnknown(word: string, name: string, value: unknown): boolean {
    if (options.unknown === undefined || known.has(name)) return false;
    if (options.boolean === true && /^--[^=]+$/.test(word)) return false;
    return options.unknown(word, name, value) === false;
  }

  function set(word: string, name: string, raw: unknown): void {
    if (isUnknown(word, name, raw)) return;
    const value = typeof raw === "string" && !strings.has(name) && NUMBER.test(raw)
      ? Number(raw)
      : raw;
    for (const key of [name, ...aliases.get(name) ?? []]) {
      if (collected.has(name)) result[key] = [...(given.has(key) ? result[key] : []), value];
      else result[key] = value;
      given.add(key);
    }
  }

  function isBoolean(name: string): boolean {
    return booleans.has(name) || options.boolean === true;
  }

  /** Takes the next word as a value, if there can be one. */
  function valueFor(name: string, index: number): { value: unknown; used: number } {
    const next = words[index + 1];
    if (next !== undefined && isBoolean(name)) {
      if (next === "true" || next === "false") return { value: next === "true", used: 1 };
      return { value: true, used: 0 };
    }
    if (next !== undefined && (!next.startsWith("-") || next === "-" || NUMBER.test(next))) {
      return { value: next, used: 1 };
    }
    return { value: strings.has(name) ? "" : true, used: 0 };
  }

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const long = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word);
    if (long !== null) {
      const [, name, value] = long as unknown as [string, string, string | undefined];
      const positive = name.startsWith("no-") ? name.slice(3) : undefined;
      if (value !== undefined) {
        set(word, name, isBoolean(name) ? value !== "false" : value);
      } else if (positive !== undefined && negatable.has(positive)) {
        set(word, positive, false);
      } else {
        const next = valueFor(name, i);
        set(word, name, next.value);
        i += next.used;
      }
    } else if (/^-[^-]/.test(word)) {
      i += letters(word, i);
    } else {
      if (options.unknown?.(word) !== false) {
        result._.push(!strings.has("_") && NUMBER.test(word) ? Number(word) : word);
      }
      if (options.stopEarly) {
        result._.push(...words.slice(i + 1));
        break;
      }
    }
  }

  /** Reads `-abc`, `-n value`, `-n=value` and `-n5`; returns how many more words it used. */
  function letters(word: string, index: number): number {
    for (let at = 1; at < word.length; at++) {
      const name = word[at]!;
      const behind = word.slice(at + 1);
      if (behind === "") {
        const next = valueFor(name, index);
        set(word, name, next.value);
        return next.used;
      }
      if (behind.startsWith("=")) {
        set(word, name, isBoolean(name) ? behind !== "=false" : behind.slice(1));
        return 0;
      }
      if (/[A-Za-z]/.test(name) && (NUMBER.test(behind) || /^\W/.test(behind))) {
        set(word, name, behind);
        return 0;
      }
      set(word, name, strings.has(name) ? "" : true);
    }
    return 0;
  }

  for (const [name, value] of Object.entries(options.default ?? {})) {
    for (const key of [name, ...aliases.get(name) ?? []]) {
      if (!given.has(key)) result[key] = value;
    }
  }
  for (const name of booleans) result[name] ??= collected.has(name) ? [] : false;
  for (const name of collected) result[name] ??= [];
  if (options["--"]) result["--"] = [...rest];
  else result._.push(...rest);
  return result;
}

/** For each name all the others that mean the same. */
function aliasGroups(alias: NonNullable<ParseOptions["alias"]>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [name, others] of Object.entries(alias)) {
    const all = [name, ...(typeof others === "string" ? [others] : others)];
    for (const one of all) groups.set(one, all.filter((other) => other !== one));
  }
  return groups;
}
