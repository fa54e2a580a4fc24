/** What is said of values of a kind that the schema of a key or section does not expect. */

import assert from "node:assert/strict";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import { SERVICES } from "../../lib/services.ts";

function sectionFault(place: string, found: string): string {
  return `${place}: found ${found}, allowed is a section with keys`;
}

const FAULTS: [name: string, text: string, expected: string | RegExp][] = [
  [
    "a number beyond those of JavaScript",
    "[echo]\nqueue = 9223372036854775807\n",
    "q.toml:2: echo.queue: found 9223372036854776000, allowed is a whole number from 1 to 1000000",
  ],
  [
    "such a number in a list",
    "[kv]\nproxy_protocol = [9223372036854775807]\n",
    /^q\.toml:2: kv\.proxy_protocol\.0: found 9223372036854776000, allowed is /,
  ],
  [
    "such a number as include",
    "include = 9223372036854775807\n",
    /^q\.toml:1: include: found 9223372036854776000, allowed is /,
  ],
  ["a list for a section", "echo = []\n", sectionFault("q.toml:1: echo", "[]")],
  ["a time for a section", "kv = 1979-05-27\n", sectionFault("q.toml:1: kv", '"1979-05-27"')],
  ["a list of sections", "[[echo]]\nqueue = 5\n", sectionFault("q.toml: echo", '[{"queue":5}]')],
  [
    "a list for sections whose names are free",
    "[task]\ntubes = []\n",
    sectionFault("q.toml:2: task.tubes", "[]"),
  ],
  [
    "a list for one of them",
    "[task.tubes]\nmail = []\n",
    sectionFault("q.toml:2: task.tubes.mail", "[]"),
  ],
  ["a list for a table", "[bus]\ntls = []\n", sectionFault("q.toml:2: bus.tls", "[]")],
  [
    "a list of lists",
    "[task]\nschedule = [[]]\n",
    sectionFault("q.toml:2: task.schedule.0", "[]"),
  ],
  [
    "a fault of two keys together",
    "[mesh]\nnode = 5\n",
    "q.toml:2: mesh.node: found 5, allowed is the number of one of the nodes, the first of which is 0",
  ],
  [
    "such a fault of a text",
    '[mesh]\nnodes = ["a:1", "b:1", "c:1"]\npartition = "bits"\n',
    'q.toml:3: mesh.partition: found "bits", allowed is "sample", unless the number of nodes is a ' +
    "power of two",
  ],
  [
    "a value with two faults, of which one is enough",
    "[mesh]\nnode = 1.5\n",
    "q.toml:2: mesh.node: found 1.5, allowed is a whole number from 0 to 255",
  ],
  [
    "a path that no file can have",
    '[daemon]\ndata_dir = "a\\u0000b"\n',
    'q.toml:2: daemon.data_dir: found "a\\u0000b", allowed is a text of 1 to 1024 characters on one ' +
    "line",
  ],
];

for (const [name, text, expected] of FAULTS) {
  Deno.test(`loadConfig() explains ${name}`, () => {
    const source = { file: "q.toml", text, readFile: Deno.readTextFileSync, env: () => undefined };
    assert.throws(() => loadConfig(source, SERVICES), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.equal(error.faults.length, 1, error.message);
      if (typeof expected === "string") assert.equal(error.message, expected);
      else assert.match(error.message, expected);
      return true;
    });
  });
}
