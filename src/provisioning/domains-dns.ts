/** Looking up TXT records in DNS, for the proof of a domain. */
import { Resolver } from "node:dns/promises";

/** What DNS says of a name: its TXT records, that there is none, or nothing that counts as an answer. */
export type TxtAnswer =
  | { readonly kind: "found"; readonly texts: readonly string[] }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string };

export type FindTxt = (name: string) => Promise<TxtAnswer>;

export interface DnsOptions {
  /** Addresses, with a port where it is not 53; none: those of the system. */
  readonly servers?: readonly string[];
  /** One question to one server. A second one is asked before giving up. */
  readonly timeoutMs?: number;
  /** All of it. Beyond, no answer is the answer: somebody waits for it. */
  readonly deadlineMs?: number;
}

/** No such name, and a name without such records. Everything else is trouble on the way. */
const absences: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA"]);

export function createFindTxt(options: DnsOptions = {}): FindTxt {
  const { servers = [], timeoutMs = 2_000, deadlineMs = 8_000 } = options;
  return async (name) => {
    // One for each look-up, so that giving up on this one disturbs no other.
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    const deadline = setTimeout(() => resolver.cancel(), deadlineMs).unref();
    try {
      // RFC 1035 §3.3.14: a long text is sent in pieces.
      const texts = (await resolver.resolveTxt(name)).map((pieces) => pieces.join(""));
      return texts.length === 0 ? { kind: "absent" } : { kind: "found", texts };
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      return absences.has(code) ? { kind: "absent" } : { kind: "failed", reason: code };
    } finally {
      clearTimeout(deadline);
    }
  };
}
