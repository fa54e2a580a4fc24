import type { Metric } from "../../metrics.ts";

/** Counts the commands of clients. */
export class ConsoleMetrics {
  readonly #commands = new Map<string, number>();
  #mistakes = 0;

  /** Counts a command by its word. */
  command(word: string): void {
    this.#commands.set(word, (this.#commands.get(word) ?? 0) + 1);
  }

  /** Counts a line that is not a command. */
  mistake(): void {
    this.#mistakes++;
  }

  /** The metrics. */
  metrics(): Metric[] {
    return [
      {
        type: "counter",
        name: "commands_total",
        help: "Commands that clients sent.",
        samples: [...this.#commands].map(([word, value]) => (
          { labels: { service: "mesh", command: word.toLowerCase() }, value }
        )),
      },
      {
        type: "counter",
        name: "mesh_mistakes_total",
        help: "Lines that were no command.",
        samples: [{ value: this.#mistakes }],
      },
    ];
  }
}
