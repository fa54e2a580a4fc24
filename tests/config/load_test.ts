import assert from "node:assert/strict";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import { SERVICES } from "../../lib/services.ts";

function load(text: string, overrides: string[] = [], env: Record<string, string> = {}) {
  const source = { file: "q.toml", text, overrides, readFile: Deno.readTextFileSync };
  return loadConfig({ ...source, env: (name) => env[name] }, SERVICES);
}

function faults(text: string, overrides: string[] = [], env: Record<string, string> = {}) {
  try {
    load(text, overrides, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

const FAULTS: [name: string, text: string, expected: string | RegExp][] = [
  ["an unknown section", "[ecko]\n", 'q.toml:1: ecko: unknown key, did you mean "echo"?'],
  [
    "an unknown key",
    "# a comment\n[echo]\nenabled = true\nquee = 5\n",
    'q.toml:4: echo.quee: unknown key, did you mean "queue"?',
  ],
  [
    "an unknown key like no other",
    "[log]\nzzzzzz = 5\n",
    "q.toml:2: log.zzzzzz: unknown key, known here: level, format",
  ],
  [
    "a name with a meaning in JavaScript",
    '[auth.tokens.prototype]\nenv = "TOKEN"\nservices = ["echo"]\n',
    'q.toml:1: auth.tokens.prototype: "prototype" cannot be used as a name',
  ],
  [
    "a wrong type",
    "[echo]\nqueue = true\n",
    "q.toml:2: echo.queue: found true, allowed is a whole number from 1 to 1000000",
  ],
  [
    "a number out of range",
    "[echo]\nqueue = 0\n",
    "q.toml:2: echo.queue: found 0, allowed is a whole number from 1 to 1000000",
  ],
  [
    "a malformed rate",
    '[task]\nrate = "fast"\n',
    'q.toml:2: task.rate: found "fast", allowed is a rate such as "100/s" (s, m, h or d; at most ' +
    '100000/s), or "off"',
  ],
  [
    "a proxy that is no address",
    '[kv]\nproxy_protocol = ["10.0.0.0/8", "lb.example"]\n',
    'q.toml:2: kv.proxy_protocol.1: found "lb.example", allowed is a network such as ' +
    '"10.0.0.0/8" or "2001:db8::/32", an address, or "unix"; "lb.example" is neither a network, ' +
    'an address nor "unix"',
  ],
  [
    "a network of proxies that means one host",
    '[kv]\nproxy_protocol = ["10.0.0.7/8"]\n',
    /"10\.0\.0\.7\/8" has bits beyond its first 8: write the network's own address, or only the/,
  ],
  [
    "more proxies than allowed",
    `[kv]\nproxy_protocol = [${'"::1",'.repeat(101)}]\n`,
    /^q\.toml:2: kv\.proxy_protocol: found .*, allowed is at most 100 networks$/,
  ],
  [
    "a proxy before mesh",
    '[mesh]\nproxy_protocol = ["10.0.0.0/8"]\n',
    /^q\.toml:2: mesh\.proxy_protocol: found .*, allowed is an empty list: mesh takes no PROXY/,
  ],
  [
    "a rate that is too high",
    '[task.tubes.mail]\nrate = "100001/s"\n',
    /^q\.toml:2: task\.tubes\.mail\.rate: found "100001\/s", allowed is a rate/,
  ],
  [
    "a burst of no job",
    "[task.tubes.mail]\nburst = 0\n",
    "q.toml:2: task.tubes.mail.burst: found 0, allowed is a whole number from 1 to 1000000",
  ],
  [
    "a tube that sends its dead letters to itself",
    '[task.tubes.mail]\ndead_letter = "mail"\n',
    'q.toml:2: task.tubes.mail.dead_letter: found "mail", allowed is a tube whose dead letters do ' +
    "not come back: mail → mail",
  ],
  [
    "tubes that send their dead letters round in a circle",
    '[task.tubes.a]\ndead_letter = "b"\n[task.tubes.b]\ndead_letter = "c"\n' +
    '[task.tubes.c]\ndead_letter = "b"\n',
    'q.toml:4: task.tubes.b.dead_letter: found "c", allowed is a tube whose dead letters do not ' +
    "come back: b → c → b",
  ],
  [
    "a size without a unit",
    '[echo]\nqueue_bytes = "8"\n',
    'q.toml:2: echo.queue_bytes: found "8", allowed is a size from 1KiB to 1GiB such as "64KiB" ' +
    "(B, KiB, MiB, GiB or TiB, no blank)",
  ],
  [
    "a malformed time",
    '[echo]\nslow_after = "soon"\n',
    'q.toml:2: echo.slow_after: found "soon", allowed is a time from 1ms to 1m such as "10s" (ms, s, m, h or d)',
  ],
  [
    'a malformed time where "off" is allowed',
    '[echo]\nidle_timeout = "never"\n',
    'q.toml:2: echo.idle_timeout: found "never", allowed is a time of at least 1ms such as "10s" ' +
    '(ms, s, m, h or d), or "off"',
  ],
  [
    "a word that is not one of the choices",
    '[echo]\nmode = "loud"\n',
    'q.toml:2: echo.mode: found "loud", allowed is one of "broadcast", "confirm"',
  ],
  [
    "a malformed address",
    '[echo]\nlisten = "8080"\n',
    'q.toml:2: echo.listen: found "8080", allowed is an address: "host:port", "[v6]:port" or "unix:/path"',
  ],
  [
    "a schedule that never runs",
    '[task]\n[[task.schedule]]\nname = "a"\ncron = "0 0 31 2 *"\n',
    'q.toml:4: task.schedule.0.cron: found "0 0 31 2 *", allowed is a cron expression that has a next run',
  ],
  [
    "a malformed cron expression",
    '[[task.schedule]]\nname = "a"\nevery = "1h"\n[[task.schedule]]\nname = "b"\ncron = "61 * * * *"\n',
    'q.toml:6: task.schedule.1.cron: found "61 * * * *", allowed is a cron expression such as ' +
    '"30 3 * * 1-5" (minute, hour, day, month, weekday): Invalid value for minute: 61',
  ],
  [
    "a cron expression with a year",
    '[[task.schedule]]\nname = "a"\ncron = "0 0 0 1 1 * 2030"\n',
    /^q.toml:3: task.schedule.0.cron: found "0 0 0 1 1 \* 2030", .*: it needs five or six fields$/,
  ],
  [
    "a schedule without a time",
    '[[task.schedule]]\nname = "a"\n',
    'q.toml:1: task.schedule.0: found "a", allowed is a schedule with either "cron" or "every"',
  ],
  [
    "a schedule with two times",
    '[[task.schedule]]\nname = "a"\nevery = "1h"\ncron = "0 0 * * *"\n',
    'q.toml:3: task.schedule.0.every: found "1h", allowed is either "cron" or "every", not both',
  ],
  [
    "an unknown time zone",
    '[[task.schedule]]\nname = "a"\ncron = "0 0 * * *"\ntime_zone = "Mars/Olympus"\n',
    'q.toml:4: task.schedule.0.time_zone: found "Mars/Olympus", allowed is a time zone such as "Europe/Berlin"',
  ],
  [
    "a time zone for an interval",
    '[[task.schedule]]\nname = "a"\nevery = "1h"\ntime_zone = "UTC"\n',
    'q.toml:4: task.schedule.0.time_zone: found "UTC", allowed is a time zone only with "cron"',
  ],
  [
    "two schedules with one name",
    '[[task.schedule]]\nname = "a"\nevery = "1h"\n[[task.schedule]]\nname = "a"\nevery = "2h"\n',
    'q.toml:5: task.schedule.1.name: found "a", allowed is a name that no other schedule has',
  ],
  [
    "a schedule with a body beyond max_job_size",
    '[task]\nmax_job_size = "10B"\n[[task.schedule]]\nname = "a"\nevery = "1h"\nbody = "12345678äb"\n',
    'q.toml:6: task.schedule.0.body: found "12345678äb…", allowed is a text of at most max_job_size, 10B',
  ],
  [
    "an unknown key of a schedule",
    '[[task.schedule]]\nname = "a"\nevery = "1h"\ntub = "x"\n',
    'q.toml:4: task.schedule.0.tub: unknown key, did you mean "tube"?',
  ],
  [
    "a value in place of a section",
    "echo = 1\n",
    "q.toml:1: echo: found 1, allowed is a section with keys",
  ],
  [
    "a number that is NaN",
    "[echo]\nqueue = nan\n",
    "q.toml:2: echo.queue: found NaN, allowed is a whole number from 1 to 1000000",
  ],
  [
    "a value in place of a table",
    "[auth]\ntokens = 5\n",
    /: found 5, allowed is a section with keys$/,
  ],
  ["a missing key", "[echo]\ntls = { cert = 'c' }\n", "q.toml:2: echo.tls.key: missing"],
  [
    "a malformed storage URL, without showing its password",
    '[storage]\nurl = "postgres://me:secret@host:99999/x"\n',
    'q.toml:2: storage.url: found "postgres://me@host:99999/x", allowed is "memory:", ' +
    '"sqlite:FILE" or "postgres://user@host:port/database"',
  ],
  [
    "a malformed escape in a storage URL",
    '[storage]\nurl = "postgres://me:%zz@host/x"\n',
    /found "postgres:\/\/me@host\/x", allowed/,
  ],
  ["text that is not TOML", "[echo\n", /^q\.toml:1:\d+: not TOML: /],
  [
    "a duplicate key",
    "[log]\nlevel = 'info'\nlevel = 'info'\n",
    "q.toml:3:1: not TOML: this key or section is already defined above",
  ],
  [
    "a duplicate section",
    "[log]\nlevel = 'info'\n[log]\n",
    "q.toml:3:2: not TOML: this key or section is already defined above",
  ],
  [
    "text without quotes",
    "[echo]\nmode = confirm\n",
    'q.toml:2:8: not TOML: not a value; text needs quotes, as in mode = "confirm"',
  ],
  [
    "a size in decimal units, which other programs read as binary",
    '[echo]\nmax_line = "64KB"\n',
    /^q\.toml:2: echo\.max_line: found "64KB", allowed is a size .* \(B, KiB, MiB,/,
  ],
  [
    "a size with a blank",
    '[echo]\nmax_line = "64 KiB"\n',
    /^q\.toml:2: echo\.max_line: found "64 KiB", allowed is a size .* no blank\)$/,
  ],
  [
    "a token whose variable is unset",
    '[auth.tokens.bus]\nenv = "NOWHERE"\nservices = ["echo"]\n',
    "q.toml:1: auth.tokens.bus: the environment variable NOWHERE is not set",
  ],
  [
    "a service in a token's list",
    '[auth.tokens.bus]\nenv = "T"\nservices = ["ecko"]\n',
    /^q\.toml:3: auth\.tokens\.bus\.services\.0: found "ecko", allowed is one of "echo"/,
  ],
  [
    "a default port that the file gives to another service",
    '[echo]\nlisten = "127.0.0.1:8081"\n',
    "q.toml:2: echo.listen: kv and echo cannot both listen on 127.0.0.1:8081: " +
    "give one of them another port, or disable it",
  ],
  [
    "text without a closing quote",
    '[echo]\nmode = "confirm\n',
    "q.toml:2:16: not TOML: text must end with a quote on the same line",
  ],
  [
    "two services on one port",
    '[kv]\nlisten = "127.0.0.1:8080"\n',
    "q.toml:2: kv.listen: kv and echo cannot both listen on 127.0.0.1:8080: " +
    "give one of them another port, or disable it",
  ],
  [
    "an unset environment variable",
    '[daemon]\ndata_dir = "${NOWHERE}/x"\n',
    "q.toml:2: daemon.data_dir: the environment variable NOWHERE is not set, and there is no default",
  ],
];

for (const [name, text, expected] of FAULTS) {
  Deno.test(`loadConfig() explains ${name}`, () => {
    const found = faults(text);
    assert.equal(found.length, 1, found.join("\n"));
    if (typeof expected === "string") assert.equal(found[0], expected);
    else assert.match(found[0]!, expected);
  });
}

Deno.test("loadConfig() reports all faults at once", () => {
  const found = faults('[echo]\nqueue = 0\nmode = "x"\nnope = 1\n[log]\nlevel = "loud"\n', [
    "echo.max_line=9",
  ]);
  assert.equal(found.length, 5, found.join("\n"));
  assert.ok(found.some((fault) => fault.startsWith("--set echo.max_line: found 9")));
});

Deno.test("loadConfig() refuses two services on one address", () => {
  const env = () => undefined;
  const two = [SERVICES[0]!, { ...SERVICES[0]!, name: "other" }];
  const load = (text: string) => () =>
    loadConfig({ file: "q.toml", text, env, readFile: () => "" }, two);
  assert.throws(
    load(""),
    /q\.toml: other\.listen: other and echo cannot both listen on 127\.0\.0\.1:8080/,
  );
  assert.throws(load('[echo]\nlisten = "0.0.0.0:8080"'), /cannot both listen/);
  assert.throws(
    load('[echo]\nlisten = "127.0.0.1:1"\nnats = "127.0.0.1:1"\n[other]\nenabled = false'),
    /echo cannot listen on 127\.0\.0\.1:1 twice: give one of its keys another port/,
  );
  load('[echo]\nlisten = "127.0.0.1:0"\n[other]\nlisten = "127.0.0.1:0"')();
  load("[other]\nenabled = false")();
  const set = ["other.listen=127.0.0.1:8080"];
  const text = '[echo]\nlisten = "127.0.0.1:8080"\n';
  assert.throws(
    () => loadConfig({ file: "q.toml", text, overrides: set, env, readFile: () => "" }, two),
    /^ConfigError: --set other\.listen: other and echo cannot both listen/,
  );
});

Deno.test("loadConfig() lets the command line override the file, without quotes", () => {
  const { config } = load('[echo]\nmode = "broadcast"\nqueue = 3\n', [
    "echo.mode=confirm",
    "echo.queue=4",
    "echo.enabled=false",
    "echo.slow_after=1.5s",
    'log.level="debug"',
  ]);
  const echo = config.services.echo as unknown as Record<string, unknown>;
  assert.deepEqual(
    [echo.mode, echo.queue, echo.enabled, echo.slow_after, config.log.level],
    ["confirm", 4, false, 1500, "debug"],
  );
  assert.deepEqual(faults("", ["nonsense"]), [
    "--set nonsense: expected key.path=value, such as echo.queue=50",
  ]);
});

Deno.test("loadConfig() puts environment variables into strings, never into TOML", () => {
  const env = { DIR: 'a"\n[echo]\nqueue = 7' };
  const text = '[daemon]\ndata_dir = "${DIR}"\n[echo]\nreply = "${WORD:-well} $${DIR} # ${X:-}"\n';
  const { config } = load(text.replace("${DIR}", "${DIR:-d}"), [], { WORD: "done" });
  assert.equal(config.daemon.data_dir, "d");
  const echo = config.services.echo as unknown as Record<string, unknown>;
  assert.equal(echo.reply, "done ${DIR} # ");
  assert.equal(echo.queue, 100);
  assert.match(faults(text, [], env)[0]!, /daemon\.data_dir: found "a\\"\\n\[echo\]/);
  assert.deepEqual(faults('# "${NOWHERE}"\n'), []);
});

Deno.test("loadConfig() requires a token, client certificates or insecure = true beyond loopback", () => {
  const open = '[echo]\nlisten = "0.0.0.0:8080"\n';
  assert.deepEqual(faults(open), [
    "q.toml:2: echo.listen: other machines could connect to 0.0.0.0:8080 without a token: " +
    "add a token for echo in [auth.tokens], or set echo.insecure = true",
  ]);
  assert.deepEqual(faults(`${open}insecure = true\n`), []);
  const token = '[auth.tokens.bus]\nenv = "BUS_TOKEN"\nservices = ["echo"]\n';
  assert.deepEqual(faults(open + token, [], { BUS_TOKEN: "0123456789" }), []);
  const files = 'cert = "a.crt", key = "a.key"';
  assert.equal(faults(`${open}tls = { ${files} }\n`).length, 1);
  assert.deepEqual(faults(`${open}tls = { ${files}, client_ca = "c.crt" }\n`), []);
  for (const listen of ["[::1]:8080", "localhost:8080", "unix:/tmp/a", "127.8.9.1:8080"]) {
    assert.deepEqual(faults(`[echo]\nlisten = "${listen}"\n`), []);
    const proxied = `[echo]\nlisten = "${listen}"\nproxy_protocol = ["10.0.0.0/8", "unix"]\n`;
    assert.deepEqual(faults(proxied), [
      `q.toml:2: echo.listen: other machines could connect to ${listen} through a proxy without a ` +
      "token: add a token for echo in [auth.tokens], or set echo.insecure = true",
    ]);
    assert.deepEqual(faults(`${proxied}insecure = true\n`), []);
  }
});

Deno.test("loadConfig() takes token values only from the environment or from files", async () => {
  const token = (keys: string) => `[auth.tokens.a]\nservices = ["echo"]\n${keys}\n`;
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "from-a-file\n");
    const guard = load(token(`file = "${file}"`)).config.guard("echo")!;
    assert.equal(await guard.checkInTurn("from-a-file", "h"), "right");
    assert.equal(await guard.checkInTurn("from-a-fil", "h"), "wrong");
    await Deno.writeTextFile(file, "short\n");
    assert.match(
      faults(token(`file = "${file}"`))[0]!,
      /^q\.toml:1: auth\.tokens\.a: its value needs 8 to 1024/,
    );
  } finally {
    await Deno.remove(file);
  }
  assert.match(faults(token('value = "0123456789"'))[0]!, /unknown key/);
  assert.match(
    faults(token("")).at(-1)!,
    /^q\.toml:1: auth\.tokens\.a: needs exactly one of file, env and hash/,
  );
  assert.match(faults(token('env = "NOWHERE"'))[0]!, /the environment variable NOWHERE is not set/);
  assert.match(faults(token('file = "/nowhere"'))[0]!, /cannot read "\/nowhere": no such file/);
  const services = faults('[auth.tokens.a]\nenv = "T"\nservices = ["ecko"]\n', [], {
    T: "0123456789",
  });
  assert.match(
    services[0]!,
    /auth\.tokens\.a\.services\.0: found "ecko", allowed is one of "echo"/,
  );
});

Deno.test("loadConfig: takes a thousand schedules and no more, and shows their defaults", () => {
  const schedules = (count: number) =>
    Array.from({ length: count }, (_, i) => `[[task.schedule]]\nname = "${i}"\nevery = "1h"\n`)
      .join("");
  const { task } = load(schedules(1000)).effective as { task: { schedule: { ttr: string }[] } };
  assert.deepEqual([task.schedule.length, task.schedule[999]!.ttr], [1000, "60s"]);
  assert.match(faults(schedules(1001)).join(), /allowed is at most 1000 schedules$/);
});
