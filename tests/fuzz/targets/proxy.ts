import { joinBytes } from "../../../lib/join_bytes.ts";
import {
  beginsWithProxyHeader,
  parseProxyHeader,
  ProxyHeaderError,
  V2_MAX_BYTES,
} from "../../../lib/net/proxy_header.ts";
import { PROXY_SAMPLES } from "../samples.ts";
import { type FuzzTarget, shown } from "../target.ts";

/** Headers of the PROXY protocol. */
export const proxyTarget: FuzzTarget = {
  name: "PROXY",
  samples: PROXY_SAMPLES,
  run(pieces) {
    let all: Uint8Array = new Uint8Array(0);
    let verdict = "incomplete";
    for (const piece of pieces) {
      all = joinBytes([all, piece]);
      if (verdict === "incomplete") verdict = judge(all);
    }
    // Reading only what is missing at least must lead to the same, and never beyond the header.
    const exact = readExactly(all);
    if (exact !== verdict) throw new Error(`read exactly: ${exact}, otherwise: ${verdict}`);
    beginsWithProxyHeader(all);
    return [verdict];
  },
};

/** What a parser makes of the first bytes. The reason of an error may depend on how many there are. */
function judge(bytes: Uint8Array): string {
  try {
    const header = parseProxyHeader(bytes);
    if (!header.complete) {
      if (header.missing < 1) throw new Error("nothing is missing from an incomplete header");
      if (bytes.length > V2_MAX_BYTES) throw new Error("the header is too long");
      return "incomplete";
    }
    if (header.length > bytes.length) throw new Error("the header ends behind what has come");
    return shown(header);
  } catch (error) {
    if (!(error instanceof ProxyHeaderError)) throw error;
    return "error";
  }
}

function readExactly(all: Uint8Array): string {
  for (let read = 0;;) {
    const bytes = all.subarray(0, read);
    const verdict = judge(bytes);
    if (verdict === "error") return verdict;
    const header = parseProxyHeader(bytes);
    if (header.complete) {
      if (header.length !== read) throw new Error(`${read} bytes were read of ${header.length}`);
      return verdict;
    }
    read += header.missing;
    if (read > all.length) {
      // The rest has not come. What has may be wrong already.
      return judge(all);
    }
  }
}
