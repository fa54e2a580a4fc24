/** A header of the PROXY protocol, version 1, from its text without the line end. */
export function v1(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\r\n`);
}

/** A header of version 2. `body` has the addresses and the TLVs. */
export function v2(
  { version = 2, command = 1, family, body }: {
    version?: number;
    command?: number;
    family: number;
    body: readonly number[];
  },
): Uint8Array<ArrayBuffer> {
  const signature = new TextEncoder().encode("\r\n\r\n\0\r\nQUIT\n");
  const length = [body.length >> 8, body.length & 0xff];
  return new Uint8Array([...signature, version << 4 | command, family, ...length, ...body]);
}
