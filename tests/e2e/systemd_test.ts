import assert from "node:assert/strict";
import { startDaemon, withOthersOff } from "../support/daemon.ts";
import { isInstalled } from "../support/programs.ts";
import { ROOT } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { within } from "../support/within.ts";

const ECHO = '[echo]\nlisten = "127.0.0.1:0"\n';

Deno.test("serve: notifies systemd of start, reload and stop, and feeds the watchdog", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  try {
    const next = async () => {
      const [bytes] = await within(60_000, "a notice", socket.receive());
      return new TextDecoder().decode(bytes);
    };
    const nextOtherThan = async (passed: string) => {
      let notice = await next();
      while (notice === passed) notice = await next();
      return notice;
    };
    await using daemon = await startDaemon({
      config: ECHO,
      env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: "100000" },
    });
    assert.equal(await next(), "READY=1\nSTATUS=Serving echo");
    assert.equal(await next(), "WATCHDOG=1");
    assert.equal(await next(), "WATCHDOG=1");
    await Deno.writeTextFile(daemon.configFile, withOthersOff(`${ECHO}queue = 5\n`));
    daemon.signal("SIGHUP");
    assert.match(await nextOtherThan("WATCHDOG=1"), /^RELOADING=1\n/);
    assert.equal(await nextOtherThan("WATCHDOG=1"), "READY=1\nSTATUS=Serving echo");
    daemon.signal("SIGTERM");
    assert.match(await nextOtherThan("WATCHDOG=1"), /^STOPPING=1\n/);
    assert.equal((await daemon.ended()).code, 0);
    assert.deepEqual([...Deno.readDirSync(`${daemon.directory}/data`)], []);
  } finally {
    socket.close();
  }
});

Deno.test({
  name: "deploy/quartet.service: passes systemd-analyze verify",
  ignore: !await isInstalled("systemd-analyze"),
  fn: async () => {
    await using directory = await makeTempDirectory();
    // The executable that the unit names need not be installed here.
    const unit = await Deno.readTextFile(`${ROOT}deploy/quartet.service`);
    const file = `${directory.path}/quartet.service`;
    await Deno.writeTextFile(file, unit.replaceAll("/usr/local/bin/quartet", "/bin/true"));
    const { success, stdout, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", "--recursive-errors=no", file],
    }).output();
    const decoder = new TextDecoder();
    assert.ok(success && stderr.length === 0, decoder.decode(stdout) + decoder.decode(stderr));
  },
});
