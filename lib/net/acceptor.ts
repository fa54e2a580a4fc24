import type { Address } from "./address.ts";
import { listenError, removeDeadSocket } from "./bind.ts";
import type { ClientCertificates } from "./client_certificates.ts";
import { MutualTlsListener } from "./mutual_tls.ts";
import type { Socket } from "./pipe.ts";
import { readTlsFiles, type TlsFiles } from "./tls.ts";

/** Where connections come from. */
export interface Acceptor {
  readonly addr: Deno.Addr;
  accept(): Promise<Socket & Pick<Deno.Conn, "remoteAddr">>;
  close(): void;
}

/** Options for {@linkcode openAcceptor}. */
export interface AcceptorOptions {
  /** The files for TLS; without them it speaks plainly. Not for unix sockets. */
  tls?: TlsFiles | undefined;
  /** Decides about clients if those need a certificate. */
  certificates: ClientCertificates;
}

/**
 * Listens on an address, and speaks TLS if there are files for it.
 *
 * @param address Where; port 0 picks a free port. The socket file of a dead process is replaced.
 * @param options See {@linkcode AcceptorOptions}.
 * @throws {Error} If the address cannot be bound; the message names it.
 */
export async function openAcceptor(
  address: Address,
  { tls, certificates }: AcceptorOptions,
): Promise<Acceptor> {
  try {
    if (address.transport === "tcp") {
      const { hostname, port } = address;
      if (tls === undefined) return Deno.listen({ hostname, port });
      const { clientCa, ...pems } = readTlsFiles(tls);
      if (clientCa === undefined) return Deno.listenTls({ hostname, port, ...pems });
      const socket = Deno.listen({ hostname, port });
      certificates.trust(clientCa);
      return new MutualTlsListener(socket, { ...pems, clientCa, certificates });
    }
    const { path } = address;
    await removeDeadSocket(path);
    return Deno.listen({ transport: "unix", path });
  } catch (cause) {
    throw listenError(address, cause);
  }
}
