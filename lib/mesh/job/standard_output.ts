import type { Output } from "./output.ts";

/** The name of standard output among outputs. */
export const STANDARD_OUTPUT = "-";

/** Standard output, which gets the entries as soon as they are sorted. */
export class StandardOutput implements Output {
  readonly path = "standard output";
  readonly targets = [{ path: undefined }];
  readonly inDoubt = false;

  begin(): Promise<void> {
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws {Error} Always: what was written cannot be taken back if another node fails. */
  prepare(): Promise<void> {
    return Promise.reject(new Error("Cannot write to standard output together with other nodes"));
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  discard(): void {}
}
