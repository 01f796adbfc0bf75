/** Who a credential proves. */
import { Problem } from "../problems.ts";

/** What a token may be used for: provisioning, the management API, access evaluation. */
export const scopes = ["scim", "api", "access"] as const;
export type Scope = (typeof scopes)[number];

/** Who the credential proves, within one tenant. */
export interface Principal {
  /** Empty for the operator, who is in no tenant until a use case names one. */
  readonly tenantId: string;
  readonly kind: "token" | "operator" | "job";
  readonly tokenId: string | null;
  readonly label: string;
  readonly scopes: readonly string[];
  /** The role that the token acts with; null: none. Its worth is read inside the deciding transaction (GRD-9). */
  readonly role: string | null;
  /** The person whose role bounds the token: whom it acts for, else who issued it. */
  readonly userId: string | null;
  /** Who issued it, where that is a person: what it does counts as theirs, too (GRD-6). */
  readonly issuerId?: string | null;
  /** The person whom the token acts for: who `/Me` is. */
  readonly person?: string | null;
}

/** The operator, acting within a tenant or (without one) on the list of tenants. */
export function operator(tenantId = ""): Principal {
  return { tenantId, kind: "operator", tokenId: null, label: "operator", scopes: [], role: null, userId: null };
}

/** Passes when the token is for this use; 403 `forbidden` otherwise (RFC 6750 §3.1, insufficient_scope). */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope)) return;
  const detail =
    principal.kind === "operator"
      ? `The operator's token works on tenants only. Use a token of the tenant with the scope ${scope}.`
      : `The token "${principal.label}" is not for this: it lacks the scope ${scope}. Mint one that has it.`;
  throw new Problem("forbidden", detail, {
    headers: { "WWW-Authenticate": `Bearer realm="usher", error="insufficient_scope", scope="${scope}"` },
  });
}

/** Passes the operator alone; 403 `forbidden` otherwise. */
export function requireOperator(principal: Principal): void {
  if (principal.kind !== "operator") {
    throw new Problem("forbidden", "Only the operator manages tenants. Use the operator's token.");
  }
}
