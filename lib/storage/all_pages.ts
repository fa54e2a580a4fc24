import type { Entry, Key, MaybePromise, ScanRange } from "./store.ts";

/** The number of keys in the first page that is read, and the maximum. */
const FIRST_PAGE = 16;
const MAX_PAGE = 1000;

/** The size of a page to aim for. */
const PAGE_BYTES = 256 * 1024;

/** Reads a page of a space; see `Store.scan`. */
export type Scan = (space: number, range: ScanRange) => MaybePromise<[Key, Entry][]>;

/** Reads all keys of the spaces 0 to `spaces - 1` in order, in pages of about 256 KiB. */
export async function* allPages(
  scan: Scan,
  spaces: number,
): AsyncGenerator<{ space: number; page: [Key, Entry][] }> {
  for (let space = 0; space < spaces; space++) {
    let after: Key | undefined;
    for (let pageSize = FIRST_PAGE;;) {
      const range = after === undefined ? { limit: pageSize } : { limit: pageSize, after };
      const page = await scan(space, range);
      if (page.length > 0) yield { space, page };
      if (page.length < pageSize) break;
      after = page.at(-1)![0];
      const bytes = page.reduce((sum, [key, { value }]) => sum + key.length + value.length, 1);
      pageSize = Math.max(1, Math.min(MAX_PAGE, Math.floor(PAGE_BYTES * page.length / bytes)));
    }
  }
}
