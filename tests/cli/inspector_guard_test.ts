import assert from "node:assert/strict";
import process from "node:process";
import { InspectorGuard } from "../../lib/cli/inspector_guard.ts";
import type { Log } from "../../lib/log.ts";

// Deno 2.6.10 had no function to close the inspector.
Deno.test("InspectorGuard: warns of an inspector that it cannot close", () => {
  const warnings: string[] = [];
  const log = { warn: (message: string) => warnings.push(message) } as unknown as Log;
  const runtime = process as { _debugEnd?: () => void };
  const { _debugEnd: end } = runtime;
  const { addSignalListener: add, removeSignalListener: remove } = Deno;
  // A real SIGUSR1 would open the inspector's fixed port, next to other tests.
  let onSignal = () => {};
  Deno.addSignalListener = (_, listener) => (onSignal = listener);
  Deno.removeSignalListener = () => {};
  runtime._debugEnd = undefined!;
  try {
    using _guard = new InspectorGuard(log);
    onSignal();
    assert.deepEqual(warnings, [
      "SIGUSR1 has opened the debugger's port; this version of Deno cannot close it",
    ]);
  } finally {
    Object.assign(Deno, { addSignalListener: add, removeSignalListener: remove });
    runtime._debugEnd = end!;
  }
});
