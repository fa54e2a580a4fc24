/** Options for {@linkcode TextLineStream}. */
export interface TextLineStreamOptions {
  /** Whether a `\r` alone ends a line as well. @default {false} */
  allowCR?: boolean;
}

/**
 * Cuts texts into lines, which end at `\n` or `\r\n`, or with `allowCR` at `\r` too. What is left
 * at the end is a line if it is not empty.
 */
export class TextLineStream extends TransformStream<string, string> {
  /** @param options See {@linkcode TextLineStreamOptions}. */
  constructor(options: TextLineStreamOptions = {}) {
    const { allowCR = false } = options;
    // With allowCR, a `\r` at the end of what has come may be the first half of a `\r\n`.
    const end = allowCR ? /\r\n|\n|\r(?!$)/ : /\r?\n/;
    let left = "";
    super({
      transform(chunk, controller) {
        // The line so far is only searched again from its last character, which may be a `\r`.
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
