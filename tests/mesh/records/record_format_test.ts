import assert from "node:assert/strict";
import {
  parseRecordFormat,
  type RecordFormatText,
} from "../../../lib/mesh/records/record_format.ts";

Deno.test("parseRecordFormat() reads sizes, key ranges and lines", () => {
  const cases: [RecordFormatText, number, number, number][] = [
    [{}, 100, 0, 10],
    [{ record: "100" }, 100, 0, 10],
    [{ record: "8" }, 8, 0, 8],
    [{ record: "65536", key: "0:65536" }, 65536, 0, 65536],
    [{ record: "100", key: "90:100" }, 100, 90, 100],
    [{ lines: true }, 0, 0, 536_870_912],
    [{ lines: true, key: "2:7" }, 0, 2, 7],
  ];
  for (const [text, recordBytes, keyStart, keyEnd] of cases) {
    assert.deepEqual(parseRecordFormat(text), { recordBytes, keyStart, keyEnd });
  }
});

Deno.test("parseRecordFormat() refuses what is out of range and says what is right", () => {
  const cases: [RecordFormatText, RegExp][] = [
    [{ record: "0" }, /"0" as the size of a record: expected 1 to 65536 bytes/],
    [{ record: "65537" }, /expected 1 to 65536 bytes/],
    [{ record: "ten" }, /"ten" as the size/],
    [{ key: "5:5" }, /"5:5" as a key: expected "first:end"/],
    [{ key: "0:101" }, /end at most 100/],
    [{ key: "10" }, /"10" as a key/],
    [{ lines: true, record: "100" }, /"lines" and "record" together/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseRecordFormat(text), { name: "SyntaxError", message });
  }
});
