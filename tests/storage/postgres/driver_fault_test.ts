import assert from "node:assert/strict";
import postgres from "postgres";
import { isDriverFault } from "../../../lib/storage/postgres/driver_fault.ts";
import { within } from "../../support/within.ts";

/** A message of PostgreSQL's protocol. */
function message(type: string, body: number[]): number[] {
  return [type.charCodeAt(0), 0, 0, 0, 4 + body.length, ...body];
}

const AUTHENTICATED_AND_READY = new Uint8Array([
  ...message("R", [0, 0, 0, 0]),
  ...message("Z", ["I".charCodeAt(0)]),
]);

Deno.test("isDriverFault(): recognises the rejection when the query for types is cut off", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sql = postgres(`postgres://u:p@127.0.0.1:${listener.addr.port}/d`, { max: 1 });
  const unhandled = Promise.withResolvers<unknown>();
  const onUnhandled = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.resolve(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", onUnhandled);
  try {
    const own = sql`SELECT 1`.then(() => undefined, (error: unknown) => error);
    using conn = await listener.accept();
    const buffer = new Uint8Array(4096);
    await conn.read(buffer);
    await conn.write(AUTHENTICATED_AND_READY);
    // Now comes the query for types, which gets no reply.
    await conn.read(buffer);
    const ended = sql.end({ timeout: 0 });
    assert.ok(isDriverFault(await within(60_000, "the rejection", unhandled.promise)));
    await within(60_000, "the end", ended);
    assert.ok(await own instanceof Error);
  } finally {
    globalThis.removeEventListener("unhandledrejection", onUnhandled);
  }
});

Deno.test("isDriverFault(): other errors are not faults of the driver", () => {
  const own = Object.assign(new Error("x"), { query: "select value from quartet.kv" });
  for (const error of [undefined, null, "select b.oid, b.typarray", new Error("x"), own]) {
    assert.ok(!isDriverFault(error));
  }
});
