import { makeTempDirectory } from "./temp_directory.ts";

const FOLDER = new URL("./certificates/", import.meta.url);

/**
 * A self-signed certificate and its key, as files. `shared`, `expired` and `authority` are for
 * localhost and 127.0.0.1; `authority` may sign other certificates; `elsewhere` is for another host.
 */
export function selfSigned(name: "shared" | "expired" | "authority" | "elsewhere") {
  const file = (end: string) => new URL(`${name}.${end}`, FOLDER).pathname;
  return { cert: file("crt"), key: file("key") };
}

/** Two authorities for client certificates, with the same name and different keys, as files. */
export const CLIENT_CA = {
  clients: new URL("clients.crt", FOLDER).pathname,
  impostor: new URL("impostor.crt", FOLDER).pathname,
} as const;

/**
 * A client certificate and its key. The authority `clients` signed `client` and `former`, which has
 * expired; `impostor` signed `stranger`.
 */
export function clientIdentity(name: "client" | "former" | "stranger") {
  const file = (end: string) => new URL(`${name}.${end}`, FOLDER).pathname;
  const files = { cert: file("crt"), key: file("key") };
  return {
    files,
    pems: { cert: Deno.readTextFileSync(files.cert), key: Deno.readTextFileSync(files.key) },
  };
}

/** Server certificates in a temporary folder. They were made with openssl for tests only. */
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
    /** The server's certificate and key, as files. */
    server,
    /** Replaces the server's certificate and key. */
    renew: () => install("renewed"),
    /** The authority that signed them all, as PEM and as a file. */
    ca: await read("ca.crt"),
    caFile: new URL("ca.crt", FOLDER).pathname,
    /** The key of another certificate. */
    otherKeyFile: new URL("renewed.key", FOLDER).pathname,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
