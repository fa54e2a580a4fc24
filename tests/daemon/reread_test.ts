import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { echo } from "../../lib/echo/mod.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import type { DaemonView, Service } from "../../lib/service.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory } from "../support/quartet.ts";

Deno.test("Daemon.reload() fails while a certificate cannot be read again, and the service says why", async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  let view: DaemonView | undefined;
  // Shows the daemon as the services see it.
  const service: Service = {
    ...echo as Service,
    start: (section, context) => {
      view = context.daemon;
      return (echo as Service).start(section, context);
    },
  };
  const text = `
    [daemon]
    data_dir = "${directory.path}/data"
    [echo]
    listen = "127.0.0.1:0"
    tls = { cert = "${files.server.cert}", key = "${files.server.key}" }`;
  const source = { file: "q.toml", text, env: () => undefined, readFile: () => "" };
  const { config } = loadConfig(source, [service]);
  const log = new TestLog();
  const daemon = await Daemon.start(config, {
    services: [service],
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  try {
    const problems = () => view!.services().flatMap((one) => one.problems());
    await Deno.remove(files.server.key);
    await daemon.reload(config);
    assert.equal(view!.lastReload.successful, false);
    assert.match(problems().join(), /the old ones stay in use: Cannot read ".*" for TLS: no such/);
    assert.equal(log.matching("Cannot read files again").length, 1);
    assert.ok(view!.services()[0]!.running, "it goes on with the old certificate");
    await files.renew();
    await daemon.reload(config);
    assert.equal(view!.lastReload.successful, true);
    assert.deepEqual(problems(), []);
  } finally {
    await daemon.drain(0);
  }
});
