import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { formatAddress } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { freePorts } from "../support/ports.ts";
import { isInstalled } from "../support/programs.ts";
import { signal } from "../support/signal.ts";
import { until } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

const TOKEN = "correct-horse-battery";

Deno.test({
  name: "admin: its page makes changes through HAProxy, which speaks TLS for it",
  ignore: !await isInstalled("haproxy", "-v"),
  async fn() {
    await using files = await makeCertificates();
    const daemon = new FakeDaemon();
    daemon.add("kv");
    const guard = new Guard([TOKEN], new FailureCounter(10, 60_000));
    await using server = await startAdmin(daemon, {}, () => guard);
    const [port] = freePorts(1);
    const pem = `${files.server.cert}.pem`, config = `${files.server.cert}.cfg`;
    const [cert, key] = await Promise.all(
      [files.server.cert, files.server.key].map((file) => Deno.readTextFile(file)),
    );
    await Deno.writeTextFile(pem, `${cert}\n${key}`);
    await Deno.writeTextFile(
      config,
      `defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
listen admin
  bind 127.0.0.1:${port} ssl crt ${pem}
  server quartet ${formatAddress(server.address)}
`,
    );
    const args = ["-db", "-f", config];
    const haproxy = new Deno.Command("haproxy", { args, stdout: "null", stderr: "null" }).spawn();
    using client = Deno.createHttpClient({ caCerts: [files.ca] });
    const url = `https://localhost:${port}`;
    const post = async (path: string, body: BodyInit, headers: Record<string, string>) => {
      const init = { method: "POST", body, headers, client, redirect: "manual" } as const;
      const response = await fetch(url + path, init);
      await response.body?.cancel();
      return response;
    };
    try {
      await until("HAProxy listens", async () => {
        const alive = await fetch(`${url}/healthz`, { client }).catch(() => undefined);
        await alive?.body?.cancel();
        return alive?.status === 200;
      });
      const form = new URLSearchParams({ token: TOKEN });
      const entered = await post("/login", form, { origin: url });
      assert.equal(entered.status, 303);
      const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
      const off = '{"enabled":false}';
      assert.equal((await post("/services/kv", off, { origin: url, cookie })).status, 200);
      const foreign = { origin: "https://elsewhere.example", cookie };
      assert.equal((await post("/services/kv", off, foreign)).status, 403);
      assert.deepEqual(daemon.switched, [["kv", false]]);
    } finally {
      signal(haproxy, "SIGKILL");
      await haproxy.status;
    }
  },
});
