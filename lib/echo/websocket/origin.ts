/** The pages that may connect, besides those of the server itself. */
export interface OriginOptions {
  /** Origins such as "https://chat.example"; "*" stands for all. */
  origins: readonly string[];
  /** Whether the server speaks TLS. */
  secure: boolean;
}

/**
 * Why a page must not connect; `undefined` if it may. Browsers let every page open a WebSocket to any
 * server, this machine included, and state the page's origin (RFC 6455, section 10.2). Other programs
 * send none.
 *
 * @param origin The header Origin, if there is one.
 * @param host The header Host, which names this server as the client knows it.
 * @param options See {@linkcode OriginOptions}.
 */
export function refuseOrigin(
  origin: string | undefined,
  host: string | undefined,
  { origins, secure }: OriginOptions,
): string | undefined {
  if (origin === undefined) return undefined;
  // A local file, a sandboxed frame or a data URL sends "null", which is no URL.
  const page = URL.parse(origin);
  const known = page !== null &&
    (origins.includes("*") || origins.includes(page.origin) || isOwn(page, host, secure));
  return known ? undefined : `Pages of "${origin}" may not connect; see "origins" in [echo].`;
}

/** Whether a page comes from this server. Without TLS, a proxy in front may speak it. */
function isOwn({ protocol, host }: URL, own: string | undefined, secure: boolean): boolean {
  return host === own?.toLowerCase() &&
    (protocol === "https:" || (protocol === "http:" && !secure));
}
