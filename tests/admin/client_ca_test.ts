import assert from "node:assert/strict";
import { CLIENT_CA, clientIdentity, makeCertificates } from "../support/certificates.ts";
import { opensslTalk, serveAnybody } from "../support/openssl.ts";
import { isInstalled } from "../support/programs.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

const REFUSED = "Client certificate rejected";

async function startAsking(files: { cert: string; key: string }, clientCa = CLIENT_CA.clients) {
  return await startAdmin(new FakeDaemon(), { tls: { ...files, client_ca: clientCa } });
}

/** The status of a reply; 0 if the client is not let in. */
async function statusOf(origin: string, ca: string, identity?: { cert: string; key: string }) {
  using client = Deno.createHttpClient({ caCerts: [ca], ...identity });
  try {
    const reply = await fetch(`${origin.replace("http:", "https:")}/healthz`, { client });
    await reply.body?.cancel();
    return reply.status;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return 0;
  }
}

Deno.test("admin with client_ca answers only clients with a certificate, also after a reload", async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  const clientCa = `${directory.path}/clients.crt`;
  await Deno.copyFile(CLIENT_CA.clients, clientCa);
  await using admin = await startAsking(files.server, clientCa);
  const [client, stranger] = [clientIdentity("client").pems, clientIdentity("stranger").pems];
  const ask = (identity?: typeof client) => statusOf(admin.origin, files.ca, identity);
  assert.deepEqual([await ask(client), await ask(stranger), await ask()], [200, 0, 0]);
  assert.equal(admin.log.matching(REFUSED).length, 2);
  await Deno.copyFile(CLIENT_CA.impostor, clientCa);
  admin.running.reread!();
  assert.deepEqual([await ask(client), await ask(stranger), await ask()], [0, 200, 0]);
});

Deno.test({
  name: "admin does not accept a TLS session of another server in place of a certificate",
  ignore: !await isInstalled("openssl", "version"),
}, async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  await using open = await serveAnybody(files);
  await using admin = await startAsking(files.server);
  const port = admin.address.transport === "tcp" ? admin.address.port : 0;
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const session = `${directory.path}/session${version}`;
    assert.ok((await opensslTalk(open.port, [version, "-sess_out", session])).answered);
    const stolen = await opensslTalk(port, [version, "-sess_in", session]);
    assert.equal(stolen.resumed, true);
  }
  assert.equal(admin.log.matching(REFUSED).length, 2);
});
