import assert from "node:assert/strict";
import { encodeRequest, RawClient } from "../kv/support.ts";
import { startDaemon } from "../support/daemon.ts";
import { within } from "../support/within.ts";

/** The part of an export that is tested; see the OTLP specification, "JSON Protobuf Encoding". */
interface Export {
  resourceSpans?: { scopeSpans: { scope: { name: string }; spans: Span[] }[] }[];
}

interface Span {
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue?: string } }[];
}

/** A receiver of OpenTelemetry; `first` resolves with the first span of LCS. */
function startReceiver() {
  const { promise: first, resolve } = Promise.withResolvers<Span>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { resourceSpans = [] }: Export = await request.json();
      const scopes = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans);
      const spans = scopes.filter(({ scope }) => scope.name === "quartet").flatMap(({ spans }) =>
        spans
      );
      const slow = spans.find(({ name }) => name === "lcs");
      if (slow !== undefined) resolve(slow);
      return Response.json({});
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, first, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("OTEL_DENO: a slow command is exported as a span", async () => {
  await using receiver = startReceiver();
  await using daemon = await startDaemon({
    config: `
      [storage]
      url = "memory:"
      [kv]
      listen = "127.0.0.1:0"
      slow_command = "1ms"`,
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  const [, port] = /service=kv address=127\.0\.0\.1:(\d+)/.exec(daemon.log)!;
  using client = await RawClient.connect({
    transport: "tcp",
    hostname: "127.0.0.1",
    port: Number(port),
  });
  await client.send(encodeRequest(["SET", "one", "0123456789".repeat(400)]));
  await client.send(encodeRequest(["LCS", "one", "one", "LEN"]));
  const span = await within(60_000, "the span", receiver.first);
  assert.equal(span.name, "lcs");
  const tookMs = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
  assert.ok(tookMs >= 1 && tookMs < 60_000, `${tookMs} ms`);
  const valueOf = (name: string) =>
    span.attributes.find(({ key }) => key === name)?.value.stringValue;
  assert.deepEqual([valueOf("service"), valueOf("key")], ["kv", "one"]);
  assert.doesNotMatch(JSON.stringify(span), /0123456789/);
});
