import assert from "node:assert/strict";
import { freePort, freePorts } from "./ports.ts";

Deno.test("freePorts() returns different ports that are free", () => {
  const ports = freePorts(31);
  assert.equal(new Set(ports).size, 31);
  const listeners = ports.map((port) => Deno.listen({ hostname: "127.0.0.1", port }));
  assert.throws(() => freePort(), /^Error: No port is free after \d+$/);
  listeners[7]!.close();
  assert.equal(freePort(), ports[7]);
  for (const listener of listeners) {
    if (listener !== listeners[7]) listener.close();
  }
});

Deno.test("freePorts(): two threads never share ports", async () => {
  const url = new URL("ports.ts", import.meta.url).href;
  const code = `import { freePorts } from "${url}"; postMessage(freePorts(31)); onmessage = close;`;
  const workers = Array.from({ length: 4 }, () => (
    new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" })
  ));
  const ports = await Promise.all(workers.map((worker) => (
    new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data))
  )));
  assert.equal(new Set([...ports.flat(), ...freePorts(31)]).size, 5 * 31);
  for (const worker of workers) worker.terminate();
});
