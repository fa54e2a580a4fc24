/**
 * The scripts that clients can call by their hash.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Script } from "./lua_machine.ts";
import { parseShebang } from "./shebang.ts";

/** The most scripts kept. */
const MAX_SCRIPTS = 1000;

/** The total size of the scripts kept; a longer script is kept alone. */
const MAX_SOURCE_BYTES = 4 * 1024 * 1024;

/** A script with what its first line says. */
export interface CachedScript extends Script {
  /** The source as the client sent it, one character per byte. */
  readonly source: string;
  /** Whether the script has promised not to write. */
  readonly readOnly: boolean;
}

/** Keeps the scripts used last. A client whose script is gone gets NOSCRIPT and sends it again. */
export class ScriptCache {
  readonly #byHash = new Map<string, CachedScript>();
  readonly #bySource = new Map<string, CachedScript>();
  #sourceBytes = 0;

  /** The number of scripts. */
  get size(): number {
    return this.#byHash.size;
  }

  /** The total size of the scripts' sources. */
  get sourceBytes(): number {
    return this.#sourceBytes;
  }

  /** Whether a script is kept. */
  has(hash: string): boolean {
    return this.#byHash.has(hash.toLowerCase());
  }

  /** The script with a hash in hexadecimal of either case. */
  find(hash: string): CachedScript | undefined {
    return this.#touch(this.#byHash.get(hash) ?? this.#byHash.get(hash.toLowerCase()));
  }

  /**
   * The script with a source: one kept, or a new one, which is not kept yet.
   *
   * @throws {ErrorReply} If its first line is invalid.
   */
  of(source: string): CachedScript {
    const known = this.#touch(this.#bySource.get(source));
    if (known !== undefined) return known;
    const hash = createHash("sha1").update(Buffer.from(source, "latin1")).digest("hex");
    return { hash, source, ...parseShebang(source) };
  }

  /** Keeps a script. Those not used for the longest time make room. */
  keep(script: CachedScript): void {
    if (this.#byHash.has(script.hash)) return;
    this.#byHash.set(script.hash, script);
    this.#bySource.set(script.source, script);
    this.#sourceBytes += script.source.length;
    for (const oldest of this.#byHash.values()) {
      if (this.size <= MAX_SCRIPTS && this.#sourceBytes <= MAX_SOURCE_BYTES) break;
      if (oldest === script) break;
      this.#byHash.delete(oldest.hash);
      this.#bySource.delete(oldest.source);
      this.#sourceBytes -= oldest.source.length;
    }
  }

  /** Forgets all scripts. */
  clear(): void {
    this.#byHash.clear();
    this.#bySource.clear();
    this.#sourceBytes = 0;
  }

  /** Notes that a script is used: a map keeps its entries in the order of their insertion. */
  #touch(script: CachedScript | undefined): CachedScript | undefined {
    if (script !== undefined && this.size > MAX_SCRIPTS / 2) {
      this.#byHash.delete(script.hash);
      this.#byHash.set(script.hash, script);
    }
    return script;
  }
}
