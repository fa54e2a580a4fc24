/** The systems that packages are built for. */
export type System = "linux" | "macos";

/** What a binary was built for. */
export interface Platform {
  system: System;
  /** In Debian's words: "amd64" or "arm64". */
  architecture: "amd64" | "arm64";
}

const ELF = 0x7f454c46;
/** Mach-O with 64 bits, in the byte order of the machines that are meant. */
const MACH_O = 0xcffaedfe;

/** `e_machine` of ELF (its specification, figure 1-3 and its supplements). */
const ELF_MACHINES: Record<number, Platform["architecture"]> = { 62: "amd64", 183: "arm64" };
/** `cputype` of Mach-O (mach/machine.h). */
const MACH_O_MACHINES: Record<number, Platform["architecture"]> = {
  0x01000007: "amd64",
  0x0100000c: "arm64",
};

/** How many bytes {@linkcode platformOf} needs. */
export const HEADER_BYTES = 20;

/**
 * Reads from the header of a binary what it was built for.
 *
 * @param header Its first {@linkcode HEADER_BYTES} bytes.
 * @throws {TypeError} If it is for none of the platforms with packages.
 */
export function platformOf(header: Uint8Array): Platform {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (header.length >= HEADER_BYTES) {
    const magic = view.getUint32(0);
    const elf = magic === ELF ? ELF_MACHINES[view.getUint16(18, true)] : undefined;
    if (elf !== undefined) return { system: "linux", architecture: elf };
    const mach = magic === MACH_O ? MACH_O_MACHINES[view.getUint32(4, true)] : undefined;
    if (mach !== undefined) return { system: "macos", architecture: mach };
  }
  throw new TypeError("it is no executable for Linux or macOS on x64 or arm64");
}
