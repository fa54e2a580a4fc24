import assert from "node:assert/strict";
import { fileErrorReason } from "../lib/file_error.ts";

Deno.test("fileErrorReason() has words for common errors, and the message of all others", () => {
  const withCode = (code: string) => Object.assign(new Error("raw"), { code });
  assert.equal(fileErrorReason(withCode("EACCES")), "permission denied");
  assert.equal(fileErrorReason(withCode("EROFS")), "the file system is read-only");
  assert.equal(fileErrorReason(withCode("EIO")), "raw");
  assert.equal(fileErrorReason("thrown text"), "thrown text");
});
