/** The database's own errors become problems here, once. What is not listed stays what it is and ends as a 500. */
import { limits } from "../limits.ts";
import { Problem, type ProblemFacts } from "../problems.ts";

const userName = {
  attribute: "userName",
  detail: "This userName belongs to another user already; names are compared without letter case.",
};

/** What a unique constraint protects: the attribute to name and the sentence to say. */
const unique: Readonly<Record<string, { attribute: string; detail: string }>> = {
  users_tenant_id_user_name_norm_key: userName,
  groups_tenant_id_display_name_norm_key: {
    attribute: "displayName",
    detail: "A group of this displayName exists already; names are compared without letter case.",
  },
  roles_pkey: { attribute: "key", detail: "A role with this key exists already." },
  roles_tenant_id_name_norm_key: {
    attribute: "name",
    detail: "A role of this name exists already; names are compared without letter case.",
  },
  pools_pkey: { attribute: "tier", detail: "A tier with this key exists already." },
  pools_tenant_id_name_norm_key: {
    attribute: "name",
    detail: "A tier of this name exists already; names are compared without letter case.",
  },
  pools_tenant_id_rank_key: { attribute: "rank", detail: "Another tier has this rank; ranks are distinct." },
  teams_name: {
    attribute: "name",
    detail: "A team of this kind and name exists already; names are compared without letter case.",
  },
  domains_pkey: { attribute: "name", detail: "This domain is listed already." },
  // Says no more than that: whose it is nobody learns, and only who has proved it, or the operator, comes to ask.
  verified_domains_pkey: {
    attribute: "name",
    detail: "This domain is verified for another account of this installation. If it is yours, ask the vendor.",
  },
  tenants_slug_key: { attribute: "slug", detail: "A tenant with this slug exists already." },
};

/** PostgreSQL cannot serve us now, by class or code of its error. */
const outage = /^(08...|53...|57...|55P03|25P03|58030)$/;
const networkOutage = /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;
/** Drivers that lost or never got a connection say so in words alone. */
const outageWords =
  /^(Connection terminated|Client (was closed|has encountered a connection error)|timeout exceeded when trying to connect|Cannot use a pool after|PGlite is clos)/;
/** Values that PostgreSQL cannot hold: NUL in text, broken Unicode, out of range, longer than an index entry. */
const unfit = new Set(["22P05", "22021", "22003", "22001", "22007", "22008", "22P02", "22P03", "54000"]);

/** The problem behind a database error; any other error as it is. */
export function toProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const found = databaseError(error);
  const { code } = found;
  if (code === "23505") return taken(found, error);
  if (code === "23503") {
    return new Problem(
      "conflict",
      "Something that the request refers to has been deleted in the meantime; read it again.",
      {
        cause: error,
      },
    );
  }
  if (isDeadlock(error) || isOutage(found))
    return unavailable("The database cannot answer right now; try again.", error);
  if (code && unfit.has(code)) {
    return new Problem(
      "invalidValue",
      "A value cannot be stored: it is too long, out of range or holds a character such as NUL.",
      {
        cause: error,
      },
    );
  }
  return error;
}

/** Whether PostgreSQL undid the whole transaction to let another one pass. */
export function isDeadlock(error: unknown): boolean {
  const { code } = databaseError(error);
  return code === "40P01" || code === "40001";
}

/** A 503 with the time after which to come again. */
export function unavailable(detail: string, cause?: unknown): Problem {
  return new Problem("unavailable", detail, { headers: { "Retry-After": String(limits.retryAfterSeconds) }, cause });
}

export function overloaded(): Problem {
  return unavailable("Too many requests wait for the database; try again.");
}

export interface PoolFull {
  readonly tier: string;
  readonly purchased: number;
  readonly used: number;
}

/** The facts of a full pool, when it is our own function in the database (SQLSTATE US001) that reports one. */
export function asPoolFull(error: unknown): PoolFull | undefined {
  const found = databaseError(error);
  return found.code === "US001" ? (JSON.parse(found.message ?? "") as PoolFull) : undefined;
}

interface DatabaseError {
  readonly code?: string;
  readonly constraint?: string;
  readonly message?: string;
}

/** The first error with a code, from the outside in: a use case may have wrapped what the driver threw. */
function databaseError(error: unknown): DatabaseError {
  let each = error;
  for (let depth = 0; depth < 8 && each instanceof Error; depth++) {
    if (!(each instanceof Problem) && typeof (each as DatabaseError).code === "string") return each as DatabaseError;
    // Several addresses tried in vain (localhost as ::1 and 127.0.0.1) arrive as one error of many.
    each = each.cause ?? (each instanceof AggregateError ? each.errors[0] : undefined);
  }
  return error instanceof Error ? { message: error.message } : {};
}

function taken({ constraint = "" }: DatabaseError, cause: unknown): Problem {
  const known = unique[constraint];
  if (!known)
    return new Problem("conflict", "Another request made the same change at the same moment; read it again.", {
      cause,
    });
  return notUnique(known, cause);
}

function notUnique({ attribute, detail }: { attribute: string; detail: string }, cause?: unknown): Problem {
  const facts: ProblemFacts = { attribute };
  return new Problem("uniqueness", detail, { facts, ...(cause === undefined ? {} : { cause }) });
}

/** For a statement that passes over taken names instead of raising: what a single insert raises. */
export function userNameTaken(): Problem {
  return notUnique(userName);
}

function isOutage({ code, message = "" }: DatabaseError): boolean {
  return code === undefined ? outageWords.test(message) : outage.test(code) || networkOutage.test(code);
}
