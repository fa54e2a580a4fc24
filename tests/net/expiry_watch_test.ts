import assert from "node:assert/strict";
import { ExpiryWatch } from "../../lib/net/expiry_watch.ts";
import { connectionMetrics } from "../../lib/net/listener_metrics.ts";
import { expiryOf, readTlsFiles } from "../../lib/net/tls.ts";
import { makeCertificates, selfSigned } from "../support/certificates.ts";
import { startListener } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";

const DAY_MS = 86_400_000;

Deno.test("ExpiryWatch warns of a certificate that expires within 30 days, at each check", () => {
  const log = new TestLog();
  let nowMs = 0;
  using watch = new ExpiryWatch({
    address: "127.0.0.1:1",
    expiryMs: () => 100 * DAY_MS,
    log: log.log,
    now: () => nowMs,
  });
  nowMs = 70 * DAY_MS - 1;
  watch.check();
  assert.deepEqual(log.lines, []);
  nowMs = 70 * DAY_MS;
  watch.check();
  assert.match(
    log.lines[0]!,
    /level=warn.*"Certificate expires soon" address=127.0.0.1:1 expires=/,
  );
  nowMs = 100 * DAY_MS;
  watch.check();
  assert.match(log.lines[1]!, /"Certificate has expired"/);
});

Deno.test("expiryOf() returns the end of the certificate of a chain that expires first", () => {
  const [shared, expired] = [selfSigned("shared"), selfSigned("expired")]
    .map((files) => readTlsFiles(files).cert);
  const end = Date.UTC(2021, 0, 1);
  assert.equal(expiryOf(expired!), end);
  assert.equal(expiryOf(`${shared}\n${expired}`), end);
  assert.ok(expiryOf(shared!) > end);
});

Deno.test("Listener: warns of its certificate at the start and after a reload, and exports its end", async () => {
  await using files = await makeCertificates();
  const expired = selfSigned("expired");
  const install = async (from: { cert: string; key: string }) => {
    await Deno.copyFile(from.cert, files.server.cert);
    await Deno.copyFile(from.key, files.server.key);
  };
  await install(expired);
  await using server = await startListener({ tls: files.server });
  const warnings = () => server.log.matching("Certificate has expired").length;
  const metric = () =>
    connectionMetrics("kv", server.listener.metrics())
      .find(({ name }) => name === "tls_certificate_expiry_timestamp_seconds");
  assert.equal(warnings(), 1);
  const labels = { service: "kv" };
  assert.deepEqual(metric()?.samples, [{ labels, value: Date.UTC(2021, 0, 1) / 1000 }]);
  server.listener.reloadTls();
  assert.equal(warnings(), 2);
  await install(selfSigned("shared"));
  server.listener.reloadTls();
  assert.equal(warnings(), 2);
  await using plain = await startListener();
  assert.equal(
    connectionMetrics("kv", plain.listener.metrics())
      .some(({ name }) => name.startsWith("tls_")),
    false,
  );
});
