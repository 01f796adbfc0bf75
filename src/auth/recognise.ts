/**
 * A credential that this process has seen before costs no round trip of its own: the first statement of the request
 * carries the question whether the token still stands, and gives nothing where it does not. So a revoked token is
 * refused at once, in every process (LIF-1), without a look-up before every read.
 */
import { hash } from "node:crypto";
import type { Database, Statement, Transaction } from "../db/database.ts";
import { type AuthDeps, authenticate, type Proof, prove } from "./authenticate.ts";
import type { Principal } from "./principal.ts";

/** Credentials remembered at most, by their digest; an entry takes some 500 bytes. */
const rememberedMax = 2_000;

/** After this time a credential is looked up again: it keeps `lastUsedAt` moving, and the list short. */
const rememberedMs = 60_000;

interface Remembered {
  readonly principal: Principal;
  readonly digest: Uint8Array;
  /** By this process' own time. */
  readonly until: number;
  /** By the clock, as the credential says. */
  readonly expiresAt: number;
}

/** Stands in a statement, behind `where … = $1` for the tenant, where it can take the condition that the token stands. */
const marker = "/*authorized*/";

export interface Recognition {
  readonly principal: Principal;
  /** The database for this request. Nothing is read or written through it before the credential is confirmed. */
  readonly db: Database;
  /** Raises as `authenticate` where the credential does not stand any more; free where a statement has confirmed it. */
  confirm(): Promise<void>;
}

/** Knows credentials again. One for each door. */
export class Recogniser {
  readonly #deps: AuthDeps & { readonly db: Database };
  readonly #known = new Map<string, Remembered>();

  constructor(deps: AuthDeps & { readonly db: Database }) {
    this.#deps = deps;
  }

  /** The principal, confirmed now or by the first statement of the request. Raises as `authenticate`. */
  async recognise(header: string | undefined): Promise<Recognition> {
    const key = header === undefined ? "" : hash("sha256", header, "base64");
    const known = this.#known.get(key);
    if (known !== undefined && known.until > Date.now() && known.expiresAt > this.#deps.clock().getTime()) {
      const confirm = async () => {
        this.#known.delete(key);
        await authenticate(this.#deps, header);
      };
      return { principal: known.principal, ...confirmedBy(this.#deps.db, known, this.#deps.clock, confirm) };
    }
    const proof = await prove(this.#deps, header);
    this.#remember(key, proof);
    return { principal: proof.principal, db: this.#deps.db, confirm: async () => {} };
  }

  /** Tokens that act for a person are looked up each time: that person's state is part of the answer. */
  #remember(key: string, { principal, digest, expiresAt = Number.POSITIVE_INFINITY }: Proof): void {
    if (principal.userId !== null || digest === undefined) return;
    const oldest = this.#known.size >= rememberedMax ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, { principal, digest, until: Date.now() + rememberedMs, expiresAt });
  }
}

/** The database with the credential's confirmation in front of, or within, whatever is asked of it first. */
function confirmedBy(
  db: Database,
  known: Remembered,
  clock: () => Date,
  confirm: () => Promise<void>,
): { db: Database; confirm(): Promise<void> } {
  let confirmed: Promise<void> | undefined;
  const confirmFirst = () => {
    confirmed ??= confirm();
    return confirmed;
  };
  const confirmedDb: Database = {
    engine: db.engine,
    build: db.build,
    async query<Row>(statement: Statement, values: readonly unknown[]) {
      if (confirmed === undefined && statement.text.includes(marker)) {
        const { tokenId, tenantId } = known.principal;
        if (values[0] !== tenantId)
          throw new Error("An authorizable statement takes the tenant's id as its first value.");
        const proof = [tokenId, known.digest, clock().toISOString()];
        const rows = await db.query<Row>(withProof(statement, values.length), [...values, ...proof]);
        if (rows.length > 0) {
          confirmed = Promise.resolve();
          return rows;
        }
        // Nothing found, or no right to find it: only now is it worth a look of its own.
        await confirmFirst();
        return rows;
      }
      await confirmFirst();
      return await db.query<Row>(statement, values);
    },
    async run(query) {
      await confirmFirst();
      return await db.run(query);
    },
    async transaction<T>(body: (tx: Transaction) => Promise<T>) {
      await confirmFirst();
      return await db.transaction(body);
    },
    ping: () => db.ping(),
    close: () => db.close(),
  };
  return { db: confirmedDb, confirm: confirmFirst };
}

const proven = new WeakMap<Statement, Statement>();

function withProof(statement: Statement, values: number): Statement {
  const known = proven.get(statement);
  if (known !== undefined) return known;
  const condition = `and exists (select from tokens k where k.tenant_id = $1 and k.id = $${values + 1}::uuid
    and k.digest = $${values + 2}::bytea and (k.expires_at is null or k.expires_at > $${values + 3}::timestamptz))`;
  const made = { name: `${statement.name}_as`, text: statement.text.replace(marker, condition) };
  proven.set(statement, made);
  return made;
}
