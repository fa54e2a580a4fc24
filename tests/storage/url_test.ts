import assert from "node:assert/strict";
import { parseStorageUrl, redactUrl } from "../../lib/storage/url.ts";

Deno.test("parseStorageUrl: parses the three kinds", () => {
  assert.deepEqual(parseStorageUrl("memory:", "/data"), { kind: "memory" });
  assert.deepEqual(parseStorageUrl("sqlite:a.db", "/data"), {
    kind: "sqlite",
    path: "/data/a.db",
  });
  assert.deepEqual(parseStorageUrl("sqlite:/b/../c.db", "/data"), {
    kind: "sqlite",
    path: "/c.db",
  });
  for (const url of ["postgres://me:secret@host/db", "postgresql://host:5433/db?sslmode=disable"]) {
    assert.deepEqual(parseStorageUrl(url, "/data"), { kind: "postgres", url });
  }
});

Deno.test("parseStorageUrl: says what is valid, without the password", () => {
  const wrong = ["", "memory", "memory:x", "sqlite:", "sqlite:a\0b", "mysql://me:secret@host/db"];
  wrong.push("postgres:db", "postgres://me:secret@host:port/db", "postgres://me:se@cret@h:0x/");
  for (const url of wrong) {
    assert.throws(() => parseStorageUrl(url, "/data"), (error: Error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message, /^Cannot read ".*" as a storage URL: it /s);
      assert.ok(!error.message.includes("secret") && !error.message.includes("cret@"));
      return true;
    });
  }
});

Deno.test("redactUrl: removes only the password", () => {
  const redacted = {
    "memory:": "memory:",
    "sqlite:a@b:c.db": "sqlite:a@b:c.db",
    "postgres://host/db": "postgres://host/db",
    "postgres://me@host/db": "postgres://me@host/db",
    "postgres://me:secret@host:1/db?a=b": "postgres://me@host:1/db?a=b",
    "postgres://me:a/b@c:d@host/db": "postgres://me@host/db",
    "postgres://host/db?user=me&password=secret&a=b": "postgres://host/db?user=me&password=***&a=b",
  };
  for (const [url, expected] of Object.entries(redacted)) assert.equal(redactUrl(url), expected);
});
