import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { type Program, quartet } from "../support/quartet.ts";
import { until, within } from "../support/within.ts";

/** quartet with a hard limit on descriptors, so that it cannot raise the limit itself. */
function limited(descriptors: number): Program {
  const { path, words } = quartet();
  return { path: "sh", words: ["-c", `ulimit -n ${descriptors}; exec "$@"`, "sh", path, ...words] };
}

for (const tls of [false, true]) {
  const how = tls ? "with TLS" : "without TLS";
  Deno.test(`echo and admin accept again after descriptors ran out, ${how}`, async () => {
    await using certificates = await makeCertificates();
    const files = tls
      ? `tls = { cert = "${certificates.server.cert}", key = "${certificates.server.key}" }`
      : "";
    await using daemon = await startDaemon({
      program: limited(64),
      config: `
        [echo]
        listen = "127.0.0.1:0"
        [admin]
        listen = "127.0.0.1:0"
        ${files}`,
    });
    const echo = daemon.address("echo");
    const admin = formatAddress(daemon.address("admin")).replace("127.0.0.1", "localhost");
    using client = Deno.createHttpClient({ caCerts: [certificates.ca], poolMaxIdlePerHost: 0 });
    const healthz = async () => {
      const signal = AbortSignal.timeout(5000);
      const url = `${tls ? "https" : "http"}://${admin}/healthz`;
      return await (await fetch(url, { client, signal })).text();
    };
    assert.equal(await healthz(), "ok\n");

    const crowd = await Promise.all(Array.from({ length: 90 }, () => TestClient.connect(echo)));
    await daemon.logged(/Cannot accept a connection/);
    // The system completes the connection to admin, but the daemon cannot accept it.
    const starved = healthz().catch(() => "none");
    const { port } = daemon.address("admin") as { port: number };
    const refused = new RegExp(`"Cannot accept a connection" address=127.0.0.1:${port} `);
    await until("admin logs it too", () => refused.test(daemon.log));
    for (const one of crowd) one.close();
    await starved;

    await until(
      "admin answers again",
      async () => {
        return await healthz().catch(() => "") === "ok\n";
      },
      120_000,
      100,
    );
    await until(
      "echo answers again",
      async () => {
        using one = await TestClient.connect(echo);
        await one.send("hello\n");
        return await within(5000, "an echo", one.line()).catch(() => "") === "hello\n";
      },
      120_000,
      100,
    );
  });
}
