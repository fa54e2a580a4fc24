import { isName } from "../task/beanstalk/line.ts";
import { MAX_NAME_BYTES } from "../task/beanstalk/words.ts";
import { UsageError } from "./command.ts";

/**
 * Checks the name of a tube before it becomes part of a command line of the protocol.
 *
 * @param tube The value of `--tube`.
 * @throws {UsageError} If it is not a name.
 */
export function checkTubeName(tube: string): void {
  if (isName(tube)) return;
  throw new UsageError(
    `--tube ${JSON.stringify(tube)} is not the name of a tube: 1 to ${MAX_NAME_BYTES} characters ` +
      "of A-Z a-z 0-9 - + / ; . $ _ ( ), the first of which is not a dash",
  );
}
