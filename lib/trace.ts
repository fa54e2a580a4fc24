/** Something that took some time, for a trace. */
export interface TracedSpan {
  /** What it was, such as the name of a command. */
  name: string;
  startMs: number;
  /** When it began and ended, in Unix time. */
  endMs: number;
  attributes: Record<string, string | number>;
}

/** The part of a tracer of OpenTelemetry that is used (`Tracer` of @opentelemetry/api 1.9). */
interface Tracer {
  startSpan(
    name: string,
    options: { startTime: number; attributes: TracedSpan["attributes"] },
  ): { end(endTime: number): void };
}

/**
 * Exports a span to OpenTelemetry, if the environment variable OTEL_DENO is "true". Otherwise, nothing
 * happens: Deno's tracer then throws at once.
 */
export function traceSpan({ name, startMs, endMs, attributes }: TracedSpan): void {
  const { tracerProvider } = Deno.telemetry as unknown as {
    tracerProvider: { getTracer(name: string): Tracer };
  };
  try {
    tracerProvider.getTracer("quartet").startSpan(name, { startTime: startMs, attributes })
      .end(endMs);
  } catch {
    // OpenTelemetry is off. Asking the environment instead would need a permission.
  }
}
