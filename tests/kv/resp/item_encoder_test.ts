import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemEncoder } from "../../../lib/kv/resp/item_encoder.ts";
import type { Reply } from "../../../lib/kv/resp/reply.ts";
import { ReplyWriter } from "../../../lib/kv/resp/writer.ts";
import { latin1Bytes, latin1Text } from "../support.ts";

async function written(reply: Reply, protocol: number): Promise<string> {
  const writer = new ReplyWriter();
  writer.protocol = protocol;
  writer.write("before");
  writer.write(["0", reply]);
  writer.write("after");
  let text = "";
  await writer.flush({ write: (bytes) => Promise.resolve(void (text += latin1Text(bytes))) });
  return text;
}

Deno.test("ItemEncoder: encoded items are written like the items, and can be decoded", async () => {
  const short = fc.string({ maxLength: 20 }).map((text) => latin1Text(latin1Bytes(text)));
  const item = fc.oneof(
    short,
    fc.integer({ min: 0, max: 70_000 }).map((length) => "x\r\n".repeat(length / 3)),
    short.map(latin1Bytes),
    fc.constant(null),
  );
  const lists = fc.array(item, { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(lists, fc.constantFrom(2 as const, 3 as const), async (items, protocol) => {
      const encoder = new ItemEncoder(protocol);
      for (const one of items) encoder.add(one);
      const encoded = encoder.end();
      assert.equal(await written(encoded, protocol), await written(items, protocol));
      const texts = items.map((one) => one instanceof Uint8Array ? latin1Text(one) : one);
      assert.deepEqual([...encoded.decoded()], texts);
    }),
    { numRuns: 50 },
  );
});
