/** What lines of a file mean for people who are there and for those who are not: shared by the import and its dry run. */
import { requireHeld } from "../auth/authority.ts";
import type { KnownPerson } from "../db/import.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { Permission } from "../domain/model.ts";
import { missing } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import type { Work } from "./apply.ts";
import type { Alteration } from "./bulk-actions.ts";
import { requireLicensePermission } from "./bulk-outcomes.ts";
import type { RequestContext } from "./context.ts";
import { type ImportedPerson, toChangedDoc } from "./import-lines.ts";
import { requireOwnPermissions } from "./user-access.ts";
import { draftOfState } from "./user-drafts.ts";

export interface ImportOptions {
  /** Whether whoever exists is changed; otherwise they are left alone. */
  readonly update: boolean;
}

/** Why nothing may be imported now: who asked may have lost the permission since. */
export function refusalOfImport(ctx: RequestContext, authority: readonly Permission[]): Problem | undefined {
  return problemOf(() => requireHeld(authority, ctx.principal, ["users.manage"]));
}

export interface Matches {
  readonly newcomers: readonly ImportedPerson[];
  /** By name. */
  readonly existing: readonly { readonly person: ImportedPerson; readonly known: KnownPerson }[];
  /** USR-3: an address alone addresses nobody. These lines are about nobody's account and make no second one. */
  readonly others: readonly { readonly person: ImportedPerson; readonly known: Namesake }[];
}

/** Whose address it is; without an id while they are being created. */
export interface Namesake {
  readonly id: string | null;
  readonly userName: string;
}

export function matchKnown(people: readonly ImportedPerson[], known: readonly KnownPerson[]): Matches {
  const byName = new Map(known.map((one) => [one.nameNorm, one]));
  const byEmail = new Map(known.flatMap((one) => one.emails.map((email) => [email, one] as const)));
  const newcomers: ImportedPerson[] = [];
  const existing: { person: ImportedPerson; known: KnownPerson }[] = [];
  const others: { person: ImportedPerson; known: Namesake }[] = [];
  // Newcomers of one batch that share an address under two names: the second finds the first.
  const taken = new Map<string, ImportedPerson>();
  for (const person of people) {
    const same = byName.get(person.nameNorm);
    const before = taken.get(person.emailNorm);
    const namesake = before === undefined || before.nameNorm === person.nameNorm ? undefined : toNamesake(before);
    const other = byEmail.get(person.emailNorm) ?? namesake;
    if (same !== undefined) existing.push({ person, known: same });
    else if (other !== undefined) others.push({ person, known: other });
    else {
      newcomers.push(person);
      taken.set(person.emailNorm, before ?? person);
    }
  }
  return { newcomers, existing, others };
}

function toNamesake({ userName }: ImportedPerson): Namesake {
  return { id: null, userName };
}

/** ROL-5, LIC-11: what the actor's permissions do not allow of a new person. */
export function permitCreate(
  { rules }: Pick<Work, "rules">,
  person: ImportedPerson,
  decision: Decision,
  authority: readonly Permission[],
): Problem | undefined {
  return problemOf(() => {
    // What everybody gets is given by nobody, and what an Admin approved by that Admin (GRD-6).
    const isDefault = decision.role.key === rules.mapping.defaults.role;
    const isApproved = missing(authority, decision.newGrant?.permissions ?? []).length > 0;
    if (person.role !== null && !isDefault && !isApproved) requireOwnPermissions(rules, null, decision, authority);
    if (decision.tier !== null) requireLicensePermission(authority, decision.draft);
  });
}

/** What a line changes of somebody who is there. */
export function toAlteration(
  person: ImportedPerson,
  rules: TenantRules,
): Pick<Alteration, "alter" | "asserted" | "permit"> {
  return {
    alter: (state) => ({ ...draftOfState(state), doc: toChangedDoc(person, state, rules) }),
    asserted: new Set(),
    ...(person.role === null ? {} : { permit: requireOwnPermissions }),
  };
}

function problemOf(body: () => void): Problem | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}
