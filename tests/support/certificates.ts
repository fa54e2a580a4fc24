import { makeTempDirectory } from "./quartet.ts";

const FOLDER = new URL("./certificates/", import.meta.url);

/**
 * A certificate that signs itself, and its key. `shared` is for localhost and 127.0.0.1, and so are
 * `expired`, and `authority`, which says that it may sign others; `elsewhere` is for another host.
 */
export function selfSigned(name: "shared" | "expired" | "authority" | "elsewhere") {
  const file = (end: string) => new URL(`${name}.${end}`, FOLDER).pathname;
  return { cert: file("crt"), key: file("key") };
}

/** Two that sign certificates of clients, by the same name and with other keys. */
export const CLIENT_CA = {
  clients: new URL("clients.crt", FOLDER).pathname,
  impostor: new URL("impostor.crt", FOLDER).pathname,
} as const;

/**
 * A certificate of a client and its key. `clients` has signed that of `client`, and that of
 * `former`, which has expired; `impostor` has signed that of `stranger`.
 */
export function clientIdentity(name: "client" | "former" | "stranger") {
  const file = (end: string) => new URL(`${name}.${end}`, FOLDER).pathname;
  const files = { cert: file("crt"), key: file("key") };
  return {
    files,
    pems: { cert: Deno.readTextFileSync(files.cert), key: Deno.readTextFileSync(files.key) },
  };
}

/** Certificates for tests alone; their keys are no secret. They were made with openssl. */
export async function makeCertificates() {
  const read = (name: string) => Deno.readTextFile(new URL(name, FOLDER));
  const directory = await makeTempDirectory();
  const server = { cert: `${directory.path}/server.crt`, key: `${directory.path}/server.key` };
  const install = async (name: string) => {
    await Deno.writeTextFile(server.cert, await read(`${name}.crt`));
    await Deno.writeTextFile(server.key, await read(`${name}.key`));
  };
  await install("server");
  return {
    /** Files of a server's certificate and key. */
    server,
    /** Puts another certificate into the files of the server. */
    renew: () => install("renewed"),
    /** The authority that has signed all of them, as PEM, and its file. */
    ca: await read("ca.crt"),
    caFile: new URL("ca.crt", FOLDER).pathname,
    /** A key that belongs to another certificate. */
    otherKeyFile: new URL("renewed.key", FOLDER).pathname,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
