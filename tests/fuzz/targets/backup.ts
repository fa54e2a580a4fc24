import { joinBytes } from "../../../lib/join_bytes.ts";
import { BackupFile } from "../../../lib/storage/backup/backup_file.ts";
import { encodeJson, encodeNumbers, ITEM } from "../../../lib/storage/backup/backup_items.ts";
import {
  BackupError,
  FrameParser,
  FrameWriter,
  MAX_FRAME_BYTES,
} from "../../../lib/storage/backup/frames.ts";
import { bytesOf, joined } from "../input.ts";
import { type FuzzTarget, latin1, shown } from "../target.ts";

const decoder = new TextDecoder();
const HEADER = encodeJson({ format: 1, program: "1.2.3", createdAt: "2026-01-01T00:00:00Z" });

/** Items of a backup, each with its kind in front, as the two targets below know them. */
const ITEMS: readonly (readonly [kind: number, bytes: Uint8Array])[] = [
  [ITEM.header, HEADER],
  [ITEM.section, encodeJson({ services: ["kv", "task"], pieces: 1 })],
  [ITEM.piece, joinBytes([encodeNumbers(1, 2, 3), Uint8Array.of(1, 2, 3)])],
  [ITEM.row, joinBytes([encodeNumbers(4, 5), Uint8Array.of(1, 2, 3)])],
  [ITEM.tables, encodeJson({ tables: { kv_0: 1 }, version: 5 })],
  [ITEM.end, encodeJson({ sections: 1 })],
  [ITEM.failure, encodeJson({ message: "the disk is full" })],
];

const WHOLE = await written(ITEMS.slice(0, -1));

/** The bytes of a backup. */
const framesTarget: FuzzTarget = {
  name: "backup frames",
  samples: [WHOLE],
  run(pieces) {
    const parser = new FrameParser();
    const found: string[] = [];
    try {
      for (const piece of pieces) {
        for (const { kind, more, bytes } of parser.feed(piece)) {
          if (bytes.length > MAX_FRAME_BYTES) throw new Error("a frame is too long");
          found.push(`${kind} ${more} ${latin1(bytes)}`);
        }
      }
      found.push(`${parser.incomplete}`);
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      found.push(error.message);
    }
    return found;
  },
};

/** Separates items in the samples of the target below; the byte before an item is its kind. */
const SEPARATOR = "\x1e";

/** The items of a backup whose frames are whole. */
const itemsTarget: FuzzTarget = {
  name: "backup items",
  samples: [
    ITEMS.map(([kind, bytes]) => `${String.fromCharCode(kind)}${decoder.decode(bytes)}`)
      .slice(0, -1).join(SEPARATOR),
    ...ITEMS.map(([kind, bytes]) => joinBytes([bytesOf(SEPARATOR), Uint8Array.of(kind), bytes])),
  ],
  async run(pieces) {
    const items = latin1(joined(pieces)).split(SEPARATOR).map((item) => {
      const bytes = Uint8Array.from(item, (char) => char.charCodeAt(0));
      return [bytes[0] ?? 0, bytes.subarray(1)] as const;
    });
    const path = await Deno.makeTempFile({ prefix: "quartet_fuzz_" });
    try {
      // A backup begins with its header; damage may come later.
      await Deno.writeFile(path, await written(items));
      return await read(path);
    } finally {
      await Deno.remove(path);
    }
  },
};

/** Targets that read backups. */
export const backupTargets: readonly FuzzTarget[] = [framesTarget, itemsTarget];

async function read(path: string): Promise<string[]> {
  const found: string[] = [];
  try {
    const file = await BackupFile.open(path);
    found.push(shown(file.header));
    for (const section of file.sections) {
      for (const service of section.services) found.push(`${service.length}`);
      found.push(`${Object.entries(section.tables)} ${section.version + 1}`);
      for await (const piece of file.pieces(section)) found.push(shown(piece));
      for await (const row of file.rows(section)) found.push(shown(row));
    }
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    found.push(error.message);
  }
  return found;
}

async function written(
  items: readonly (readonly [kind: number, bytes: Uint8Array])[],
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const writer = new FrameWriter((bytes) => {
    chunks.push(bytes.slice());
    return Promise.resolve();
  });
  for (const [kind, bytes] of items) await writer.add(kind, [bytes]);
  await writer.flush();
  return joinBytes(chunks);
}
