import assert from "node:assert/strict";
import fc from "fast-check";
import { countQuotes, CsvRecord, endOfRecord } from "../../../lib/mesh/keys/csv_record.ts";
import { parseSortOrder } from "../../../lib/mesh/keys/sort_order.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What a key of a record is. */
function found(record: string, key: string, separator = ","): string {
  const csv = new CsvRecord(separator.charCodeAt(0));
  const bytes = encode(record);
  csv.find(bytes, 0, bytes.length, parseSortOrder(["--csv", `-k${key}`]).keys[0]!);
  return new TextDecoder().decode(csv.bytes.subarray(csv.from, Math.max(csv.from, csv.to)));
}

Deno.test("CsvRecord finds fields, also quoted ones", () => {
  const record = '1,"a, ""b""\nc",,  x y,"last"\r';
  const cases: [string, string][] = [
    ["1,1", "1"],
    ["2,2", 'a, "b"\nc'],
    ["3,3", ""],
    ["4,4", "  x y"],
    ["4b,4", "x y"],
    ["4.3,4.3", "x"],
    ["4b,4.1b", "x"],
    ["5,5", "last"],
    ["6,6", ""],
    ["9", ""],
    ["2,3", 'a, "b"\nc,'],
    ["4", "  x y,last"],
    ["2.4,2.4", '"'],
    ["1,2.1", "1,a"],
    ["3,2", ""],
    ["4,9", "  x y,last"],
    ["4,9.1", "  x y,last"],
  ];
  for (const [key, text] of cases) assert.equal(found(record, key), text, `-k${key}`);
  assert.equal(found('"a;b";c', "1,1", ";"), "a;b");
  assert.equal(found('5" disk,b', "1,1"), '5" disk', "a quote within a field is itself");
  assert.equal(found('"a"b,c', "1,1"), "ab");
});

/** Fields of any text. */
const fields = fc.array(
  fc.array(fc.constantFrom("a", "b", ",", '"', "\n", " ", "\r"), { maxLength: 6 }).map((all) =>
    all.join("")
  ),
  { minLength: 1, maxLength: 6 },
);

function quoted(field: string): string {
  return /[",\n\r]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

Deno.test("CsvRecord gives back the fields that a record was made of", () => {
  fc.assert(fc.property(fields, (all) => {
    const record = all.map(quoted).join(",");
    all.forEach((field, i) => assert.equal(found(record, `${i + 1},${i + 1}`), field));
  }));
});

Deno.test("endOfRecord() divides records, from any place with its state", () => {
  fc.assert(fc.property(fc.array(fields, { maxLength: 6 }), fc.nat(), (records, cut) => {
    const texts = records.map((all) => `${all.map(quoted).join(",")}\n`);
    const bytes = encode(texts.join(""));
    const ends: number[] = [];
    let at = 0;
    for (const text of texts) {
      const end = endOfRecord(bytes, at, bytes.length);
      assert.equal(end + 1 - at, encode(text).length);
      ends.push(end);
      at = end + 1;
    }
    assert.equal(endOfRecord(bytes, at, bytes.length), -1);
    const place = bytes.length === 0 ? 0 : cut % bytes.length;
    const isQuoted = countQuotes(bytes.subarray(0, place)) % 2 === 1;
    const next = endOfRecord(bytes, place, bytes.length, isQuoted);
    assert.equal(next, ends.find((end) => end >= place) ?? -1);
  }));
});
