import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { SERVICES } from "../../lib/services.ts";

function load(text: string) {
  const source = {
    file: "q.toml",
    text,
    env: (name: string) => name === "SET" ? "from env" : undefined,
    readFile: (file: string) => {
      if (file === "there") return "from file\n";
      throw new Deno.errors.NotFound();
    },
  };
  return loadConfig(source, SERVICES).config;
}

const PLAIN = { timeoutMs: 2000, events: false };

Deno.test("[bus]: URLs name servers, and secrets come from files or variables", () => {
  assert.deepEqual(load("").bus, { servers: [], ...PLAIN });
  const one = load('[bus]\nurl = "nats://a.example"\ntoken = { file = "there" }\n');
  assert.deepEqual(one.bus, { servers: ["a.example:4222"], token: "from file", ...PLAIN });
  assert.deepEqual(one.tokenFiles, ["there"]);
  const urls = '["nats://a:80", "tls://[::1]:4223/", "nats://c:7"]';
  assert.deepEqual(
    load(`[bus]\nurl = ${urls}\nuser = "u"\npassword = { env = "SET" }\nevents = true\n`).bus,
    {
      servers: ["a:80", "[::1]:4223", "c:7"],
      user: "u",
      password: "from env",
      tls: {},
      timeoutMs: 2000,
      events: true,
    },
  );
});

Deno.test("[bus]: one order of all messages has a size", () => {
  assert.equal(load('[bus]\nmax_bytes = "2MiB"\n').bus.streamMaxBytes, undefined);
  assert.equal(load('[bus]\norder = "one"\n').bus.streamMaxBytes, 64 * 1024 * 1024);
  const small = load('[bus]\norder = "one"\nmax_bytes = "2MiB"\n').bus;
  assert.equal(small.streamMaxBytes, 2 * 1024 * 1024);
});

const FAULTS: [string, RegExp][] = [
  ['url = "http://a"', /^q.toml:2: bus.url: found "http:\/\/a", allowed is a URL such as "nats:/],
  ['url = "nats://user:secret@a"', /bus.url: found "nats:\/\/user@a", allowed is a URL/],
  ['url = "nats://a:99999"', /bus.url: .*allowed is a URL/],
  ["url = []", /bus.url: .*allowed is a URL/],
  ['password = { env = "SET" }', /bus.password: needs a user/],
  ['token = { env = "UNSET" }', /bus.token: the environment variable UNSET is not set/],
  ['token = { file = "gone" }', /bus.token: cannot read "gone"/],
  ['order = "two"', /bus.order: found "two", allowed is/],
  ['max_bytes = "1KiB"', /bus.max_bytes: found "1KiB", allowed is a size/],
  ["token = {}", /bus.token: needs either file or env, and not both/],
  ['tls = { cert = "c.pem" }', /bus.tls: needs both cert and key, or neither/],
];

for (const [line, message] of FAULTS) {
  Deno.test(`[bus]: a mistake is explained: ${line}`, () => {
    assert.throws(() => load(`[bus]\n${line}\n`), (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret@/);
      return true;
    });
  });
}
