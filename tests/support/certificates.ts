import { makeTempDirectory } from "./quartet.ts";

const FOLDER = new URL("./certificates/", import.meta.url);

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
    /** The authority that has signed all of them, as PEM. */
    ca: await read("ca.crt"),
    /** A key that belongs to another certificate. */
    otherKeyFile: new URL("renewed.key", FOLDER).pathname,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
