/** Hashes of passwords: scrypt (RFC 7914), off the main thread, few at once, with the parameters in the stored text. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";

export const passwordBounds = {
  /**
   * The cost of new hashes, log2 of scrypt's N: 16 MiB and 26 ms of one core (Node 24, AMD EPYC). Okta sends a placeholder
   * with every user that it creates: some 70 a second on two idle cores, half a minute for 1,000 of one Bulk, which come one
   * after the other. At 15 it would be 62 ms, and such a Bulk would outlast the patience of its client.
   */
  costLog2: 14,
  /** Hashes computed at once: half of libuv's four threads. Files and names of hosts keep the other half. */
  atOnce: 2,
  /** Hashes that wait for their turn, half a minute's work at the most. Beyond: 503. */
  waitingMax: 1_000,
} as const;

export type PasswordBounds = { readonly [Name in keyof typeof passwordBounds]: number };

interface Parameters {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

const saltBytes = 16;
const keyBytes = 32;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export class PasswordHasher {
  readonly #cost: Parameters;
  readonly #atOnce: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor({ costLog2, atOnce, waitingMax }: PasswordBounds = passwordBounds) {
    this.#cost = { ln: costLog2, r: 8, p: 1 };
    this.#atOnce = atOnce;
    this.#waitingMax = waitingMax;
  }

  /** A new hash of a prepared password, another one each time. Raises `unavailable` where too many wait already. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    return format(this.#cost, salt, await this.#derive(password, salt, this.#cost));
  }

  /**
   * Whether the hash is one of this password, compared in constant time. Without a hash the answer is no, after as much
   * work: how long it takes does not tell who has a password. Raises `unavailable` as `hash` does.
   */
  async matches(hash: string | undefined, password: string): Promise<boolean> {
    const stored = hash === undefined ? undefined : parse(hash);
    const { cost, salt, key } = stored ?? {
      cost: this.#cost,
      salt: randomBytes(saltBytes),
      key: randomBytes(keyBytes),
    };
    const isEqual = timingSafeEqual(key, await this.#derive(password, salt, cost));
    return isEqual && stored !== undefined;
  }

  async #derive(password: string, salt: Buffer, { ln, r, p }: Parameters): Promise<Buffer> {
    await this.#turn();
    try {
      const N = 2 ** ln;
      // OpenSSL needs 128·N·r bytes and a little; Node's own bound of 32 MiB would stop the next higher cost.
      return await derive(password, salt, keyBytes, { N, r, p, maxmem: 128 * N * r * 2 });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  /** Resolves when this one may compute: in order of asking. Whoever finishes hands the turn on. */
  async #turn(): Promise<void> {
    if (this.#running < this.#atOnce) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= this.#waitingMax) {
      throw new Problem("unavailable", "Too many passwords are being set at once; try again.", {
        facts: { attribute: "password" },
        headers: { "Retry-After": String(limits.retryAfterSeconds) },
      });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** The process's own: libuv's pool of threads is one for the whole process, so its share for passwords is, too. */
export const passwordHasher = new PasswordHasher();

function format({ ln, r, p }: Parameters, salt: Buffer, key: Buffer): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${toBase64(salt)}$${toBase64(key)}`;
}

function parse(hash: string): { cost: Parameters; salt: Buffer; key: Buffer } {
  const parts = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(hash);
  if (parts === null) throw new Error("A stored password has a form that this version does not know.");
  const [, ln, r, p, salt = "", key = ""] = parts;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  return { cost, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
}

/** Without padding, as in other systems that keep their parameters in such a text. */
function toBase64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
