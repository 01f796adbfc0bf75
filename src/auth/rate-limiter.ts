/**
 * How much one credential, one tenant and one guessing address may ask of this process. All of it is counted in memory:
 * a limit that asks the database would be one more load on it. Several processes each count for themselves.
 */
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import {
  type Bucket,
  type BucketDecision,
  type Demand,
  decideTake,
  fullBucket,
  onCredit,
  oneRequest,
  type Rate,
} from "./bucket.ts";
import type { Principal } from "./principal.ts";

/** Access evaluation has buckets of its own, so that nobody's sign-in waits for a nightly sync. */
export type Use = "management" | "access";

export class RateLimiter {
  readonly #principals: Buckets | undefined;
  readonly #tenants: Buckets | undefined;
  readonly #addresses: Buckets;
  readonly #nowMs: () => number;

  /** `perToken.perSecond` 0: credentials that stand are not limited. `nowMs`: a clock that nobody sets. */
  constructor(perToken: Rate, nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    if (perToken.perSecond > 0) {
      this.#principals = new Buckets("This credential", perToken);
      this.#tenants = new Buckets("All tokens of this tenant together", {
        perSecond: perToken.perSecond * limits.tenantRateFactor,
        burst: perToken.burst * limits.tenantRateFactor,
      });
    }
    this.#addresses = new Buckets("One address", {
      perSecond: limits.failedAuthenticationsPerSecond,
      burst: limits.failedAuthenticationsBurst,
    });
  }

  /** Counts one request of whoever has just been authenticated. Raises `tooManyRequests` with Retry-After. */
  admit(principal: Principal, use: Use = "management"): void {
    this.#take(principal, use, oneRequest);
  }

  /**
   * Counts what a request turned out to hold beyond the one that `admit` counted: of a Bulk, its operations less one.
   * It passes wherever nothing is owed and may leave a debt, which the requests after it wait for. Raises
   * `tooManyRequests` while something is owed, and `payloadTooLarge` for what no waiting would let through.
   */
  charge(principal: Principal, extra: number, use: Use = "management"): void {
    if (this.#principals === undefined || extra <= 0) return;
    const { burst } = this.#principals.rate;
    if (extra >= burst) {
      throw new Problem(
        "payloadTooLarge",
        `A request may hold ${burst} operations at most here. Send several requests.`,
      );
    }
    this.#take(principal, use, onCredit(extra));
  }

  /**
   * Counts an authentication that this address has failed. Raises `tooManyRequests` beyond the limit; only failures are
   * refused, so a credential that stands never pays for what others behind the same address have tried.
   */
  countFailure(address: string | undefined, failure: Problem): void {
    const asked = this.#addresses.decide(networkOf(address ?? "unknown"), this.#nowMs(), oneRequest);
    asked.keep(asked.decision.after);
    if (!asked.decision.allowed) throw tooMany(asked, "may fail to authenticate", failure);
  }

  #take(principal: Principal, use: Use, demand: Demand): void {
    if (this.#principals === undefined || this.#tenants === undefined) return;
    const nowMs = this.#nowMs();
    const asked = [this.#principals.decide(`${use} ${nameOf(principal)}`, nowMs, demand)];
    // The operator belongs to no tenant and is limited as a credential alone.
    if (principal.tenantId !== "") asked.push(this.#tenants.decide(`${use} ${principal.tenantId}`, nowMs, demand));
    // From both or from neither: what one of them refuses must not empty the other.
    const allowed = asked.every(({ decision }) => decision.allowed);
    for (const { decision, keep } of asked) keep(allowed ? decision.after : decision.before);
    if (!allowed) throw tooMany(asked.toSorted((a, b) => b.decision.waitMs - a.decision.waitMs)[0]!);
  }
}

/** Runs an authentication asked for by this address, and counts it where it fails with 401. */
export async function countingFailures<T>(
  limiter: RateLimiter | undefined,
  address: string | undefined,
  authentication: () => Promise<T>,
): Promise<T> {
  try {
    return await authentication();
  } catch (error) {
    if (error instanceof Problem && error.code === "unauthorized") limiter?.countFailure(address, error);
    throw error;
  }
}

/** Whose bucket it is: the token, or whoever else acts in the tenant. */
function nameOf({ tenantId, kind, tokenId, userId }: Principal): string {
  return `${tenantId} ${tokenId ?? userId ?? kind}`;
}

/** Of IPv6 a subscriber holds 2⁶⁴ addresses at least, so the first half is who it is. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(":")) return mapped ?? address;
  const [head = "", tail] = address.toLowerCase().split("%")[0]!.split("::");
  const first = head.split(":").filter((group) => group !== "");
  const last = tail?.split(":").filter((group) => group !== "") ?? [];
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => "0");
  return [...first, ...(tail === undefined ? [] : zeros), ...last].slice(0, 4).join(":");
}

interface Asked {
  readonly whose: string;
  readonly rate: Rate;
  readonly decision: BucketDecision;
  keep(bucket: Bucket): void;
}

/** Buckets by key, the least recently used forgotten first: it is the fullest, or nearly, and a new one is full. */
class Buckets {
  readonly #whose: string;
  readonly #byKey = new Map<string, Bucket>();
  readonly rate: Rate;

  constructor(whose: string, rate: Rate) {
    this.#whose = whose;
    this.rate = rate;
  }

  decide(key: string, nowMs: number, demand: Demand): Asked {
    const bucket = this.#byKey.get(key) ?? fullBucket(this.rate, nowMs);
    const decision = decideTake(bucket, this.rate, nowMs, demand);
    return { whose: this.#whose, rate: this.rate, decision, keep: (kept) => this.#keep(key, kept) };
  }

  #keep(key: string, bucket: Bucket): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, bucket);
    if (this.#byKey.size <= limits.rateBucketsMax) return;
    this.#byKey.delete(this.#byKey.keys().next().value!);
  }
}

/** 429 (RFC 6585 §4). Retry-After counts whole seconds (RFC 9110 §10.2.3); rounded down, a client would come too early. */
function tooMany({ whose, rate, decision }: Asked, verb = "may send", cause?: Problem): Problem {
  const seconds = Math.max(1, Math.ceil(decision.waitMs / 1_000));
  const times = verb === "may send" ? "requests" : "times";
  return new Problem(
    "tooManyRequests",
    `${whose} ${verb} ${rate.perSecond} ${times} a second, and ${rate.burst} at once after a rest. ` +
      `Wait ${seconds} second${seconds === 1 ? "" : "s"}, then try again.`,
    {
      facts: { perSecond: rate.perSecond, burst: rate.burst, retryAfterSeconds: seconds },
      headers: { "Retry-After": String(seconds) },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
