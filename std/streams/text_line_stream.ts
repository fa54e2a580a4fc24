/** Options for {@linkcode TextLineStream}. */
export interface TextLineStreamOptions {
  /** Whether a single `\r` ends a line too. @default {false} */
  allowCR?: boolean;
}

/**
 * Splits text into lines, which end in `\n` or `\r\n`, and with `allowCR` also in `\r`. Text after
 * the last line ending is a line of its own.
 */
export class TextLineStream extends TransformStream<string, string> {
  /** @param options See {@linkcode TextLineStreamOptions}. */
  constructor(options: TextLineStreamOptions = {}) {
    const { allowCR = false } = options;
    // With allowCR, a `\r` at the end of a chunk may be the first half of a `\r\n`.
    const end = allowCR ? /\r\n|\n|\r(?!$)/ : /\r?\n/;
    let left = "";
    super({
      transform(chunk, controller) {
        // Without a line ending in the chunk, collect it: searching again would be quadratic.
        if (!chunk.includes("\n") && !(allowCR && (left.endsWith("\r") || chunk.includes("\r")))) {
          left += chunk;
          return;
        }
        const lines = (left + chunk).split(end);
        left = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (left.length === 0) return;
        controller.enqueue(allowCR && left.endsWith("\r") ? left.slice(0, -1) : left);
      },
    });
  }
}
