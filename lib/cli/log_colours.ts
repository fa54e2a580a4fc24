/**
 * The colours of the log on a terminal: the time is dim, warnings are yellow, errors red. Pipes and
 * files get none, as programs read them.
 *
 * @module
 */

const RESET = "\x1b[0m";
const DIM = "\x1b[2m";
const YELLOW = "\x1b[33m";
const RED = "\x1b[31m";

/** The colours of the levels that stand out, by their names in the log. */
const LEVEL_COLOURS: Readonly<Record<string, string>> = {
  debug: DIM,
  warning: YELLOW,
  error: RED,
};

/** How a line in the format "text" begins. */
const BEGINNING = /^(time=\S+) level=(\w+) /gm;

const encoder = new TextEncoder();

/**
 * Whether a log that goes to a stream gets colours: it is a terminal, and the environment variable
 * NO_COLOR is not set (https://no-color.org).
 */
export function wantsColours(
  stream: Pick<typeof Deno.stderr, "isTerminal">,
  noColor: boolean = Deno.noColor,
): boolean {
  return !noColor && stream.isTerminal();
}

/** Colours lines in the format "text"; lines in another format stay as they are. */
export function coloured(lines: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(lines);
  return encoder.encode(text.replace(BEGINNING, (_, time: string, level: string) => {
    const colour = LEVEL_COLOURS[level];
    const shown = colour === undefined ? level : `${colour}${level}${RESET}`;
    return `${DIM}${time}${RESET} level=${shown} `;
  }));
}
