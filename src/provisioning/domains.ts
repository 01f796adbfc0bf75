/**
 * USR-5: a tenant claims its mail domains and proves them by a record in DNS. Any number may claim a name, and a claim
 * holds nobody up; the first to prove it has it, and no other tenant of the installation has it then.
 */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { unavailable } from "../db/constraints.ts";
import type { Transaction } from "../db/database.ts";
import {
  countDomains,
  type DomainRow,
  findDomain,
  findLapsed,
  insertDomain,
  listDomainRows,
  lockDomain,
  removeDomainRow,
  unverifyLapsed,
  verifyDomainRow,
  writeRecheck,
} from "../db/domains.ts";
import { recordEvents } from "../db/events.ts";
import { bumpRules } from "../db/rules.ts";
import type { TenantRules } from "../domain/access.ts";
import {
  type ChallengeRecord,
  challengeName,
  challengeOf,
  judgeRecheck,
  refuseDomain,
  toDomainName,
} from "../domain/domains.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { createFindTxt, type TxtAnswer } from "./domains-dns.ts";
import { jobContext, reconcileJob } from "./jobs.ts";

/** Claims of one tenant: more than any company has, and few enough to look up every day. */
const domainsMax = 1_000;

/** Domains by name, those after the given one. */
export async function listDomains(deps: Deps, ctx: RequestContext, after: string, limit: number): Promise<DomainRow[]> {
  return await listDomainRows(deps.db, ctx.principal.tenantId, after, limit);
}

/** One domain, by any spelling of its name. Problem: notFound. */
export async function getDomain(deps: Deps, ctx: RequestContext, text: string): Promise<DomainRow> {
  const name = toDomainName(text);
  const row = name === null ? undefined : await findDomain(deps.db, ctx.principal.tenantId, name);
  if (row === undefined) throw noDomain(text);
  return row;
}

/**
 * Claims a domain. Whether another tenant has it is not looked at: that is for who has proved to be asked of.
 * Problems: invalidValue, uniqueness (listed already), conflict (too many), forbidden.
 */
export async function addDomain(deps: Deps, ctx: RequestContext, text: string): Promise<DomainRow> {
  const name = requireDomainName(text);
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const work = await beginEdit(deps, ctx, tx);
    if ((await countDomains(tx, tenantId)) >= domainsMax) {
      throw new Problem("conflict", `A tenant lists ${domainsMax} domains at most; remove some first.`, {
        facts: { rule: "USR-5" },
      });
    }
    const row = await insertDomain(tx, tenantId, name, actorOf(ctx), work.now.toISOString());
    await recordEvents(tx, [domainEvent(work, "domain.added", name, {})]);
    return row;
  });
}

/**
 * Looks the record up and, where it is there, gives the domain to the tenant; for one that is verified, says how it stands.
 * Problems: notFound, domainUnproven (with what to publish), uniqueness (another tenant has it), unavailable (DNS does not
 * answer), forbidden.
 */
export async function verifyDomain(deps: Deps, ctx: RequestContext, text: string): Promise<DomainRow> {
  const claim = await getDomain(deps, ctx, text);
  // The operator's word needs no record.
  if (claim.proof === "operator") return claim;
  const { name } = claim;
  const answer = await lookUp(deps, name);
  if (answer.kind === "failed") {
    throw unavailable(`DNS did not answer for ${challengeName(name)} (${answer.reason}); try again.`);
  }
  if (claim.verifiedAt !== null) {
    await recheckDomain(deps, ctx, claim, answer);
    return await getDomain(deps, ctx, name);
  }
  if (!proves(answer, name, claim.token)) throw unproven(challengeOf(name, claim.token), answer);
  await take(deps, ctx, claim, answer);
  return await getDomain(deps, ctx, name);
}

/**
 * Removes a domain. Whoever is there stays, whatever `restrictDomains` says: USR-5 judges who comes and which address
 * changes, and a company that sells a domain, or listed one too many, must not have to put people out first. From now on
 * nobody comes with it. Problems: notFound, forbidden.
 */
export async function removeDomain(deps: Deps, ctx: RequestContext, text: string): Promise<void> {
  const { name } = await getDomain(deps, ctx, text);
  const { tenantId } = ctx.principal;
  await deps.db.transaction(async (tx) => {
    const work = await beginEdit(deps, ctx, tx);
    const row = await lockDomain(tx, tenantId, name);
    if (row === undefined) throw noDomain(name);
    await removeDomainRow(tx, tenantId, name);
    const { verifiedAt, proof } = row;
    await recordEvents(tx, [{ ...domainEvent(work, "domain.removed", name, {}), before: { name, verifiedAt, proof } }]);
    if (verifiedAt !== null) await moveRules(work);
  });
  deps.rules.forget(tenantId);
}

/** What a look at the record of a verified domain comes to. */
export async function recheckDomain(
  deps: Deps,
  ctx: RequestContext,
  { name, token }: Pick<DomainRow, "name" | "token">,
  answer: TxtAnswer,
): Promise<void> {
  const { tenantId } = ctx.principal;
  await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const work: Work = { deps, ctx, tx, rules, now: deps.clock() };
    const row = await lockDomain(tx, tenantId, name);
    // Removed, given away or vouched for by the operator meanwhile.
    if (row === undefined || row.proof !== "dns" || row.token !== token) return;
    const sighting = answer.kind === "failed" ? "unknown" : proves(answer, name, token) ? "present" : "absent";
    const { event, ...what } = judgeRecheck(row, sighting, work.now);
    await writeRecheck(tx, tenantId, name, work.now.toISOString(), what);
    if (event === null) return;
    await recordEvents(tx, [domainEvent(work, event, name, { missingSince: what.missingSince })]);
    if (event === "domain.lapsed") {
      deps.log.warn({ tenantId, domain: name }, "the record of a domain has been gone for long; another may prove it");
    }
  });
}

export async function lookUp({ findTxt = createFindTxt() }: Deps, name: string): Promise<TxtAnswer> {
  return await findTxt(challengeName(name));
}

/** The name as it is stored. Problem: invalidValue. */
export function requireDomainName(text: string): string {
  const name = toDomainName(text.trim());
  const why = name === null ? "A domain is a name such as example.com, without @, path or port." : refuseDomain(name);
  if (name === null || why !== null) {
    throw new Problem("invalidValue", why ?? "", { facts: { rule: "USR-5", attribute: "name" } });
  }
  return name;
}

function proves(answer: TxtAnswer, name: string, token: string): boolean {
  const { value } = challengeOf(name, token);
  return answer.kind === "found" && answer.texts.some((text) => text.trim() === value);
}

/** Gives a proved domain to the tenant, and takes it from another whose record has been gone for long. */
async function take(deps: Deps, ctx: RequestContext, claim: DomainRow, answer: TxtAnswer): Promise<void> {
  const { tenantId } = ctx.principal;
  const { name } = claim;
  const lapsed = await findLapsed(deps.db, name, tenantId);
  // Should both have their record there, the one who has the domain keeps it.
  const holder = lapsed === undefined || proves(answer, name, lapsed.token) ? undefined : lapsed.tenantId;
  await deps.db.transaction(async (tx) => {
    // Two tenants' rules at once are locked in the order of their ids.
    if (holder !== undefined && holder < tenantId) await takeFrom(deps, tx, holder, name);
    const work = await beginEdit(deps, ctx, tx);
    if (holder !== undefined && holder > tenantId) await takeFrom(deps, tx, holder, name);
    const row = await lockDomain(tx, tenantId, name);
    if (row === undefined || row.token !== claim.token) throw noDomain(name);
    if (row.verifiedAt !== null) return;
    const { checkAt } = judgeRecheck(row, "present", work.now);
    await verifyDomainRow(tx, tenantId, name, work.now.toISOString(), checkAt);
    await recordEvents(tx, [domainEvent(work, "domain.verified", name, { proof: "dns" })]);
    await moveRules(work);
  });
  for (const id of [tenantId, holder]) if (id !== undefined) deps.rules.forget(id);
}

/** The former holder is told that it is gone, and not to whom. */
async function takeFrom(deps: Deps, tx: Transaction, holder: string, name: string): Promise<void> {
  const rules = await deps.rules.locked(tx, holder);
  if (!(await unverifyLapsed(tx, holder, name))) return;
  const work: Work = { deps, ctx: jobContext(deps, holder, "domains"), tx, rules, now: deps.clock() };
  await recordEvents(tx, [domainEvent(work, "domain.lost", name, {})]);
  await moveRules(work);
  deps.log.warn({ tenantId: holder, domain: name }, "a lapsed domain was proved by another tenant");
}

/** GRD-9: the rules locked, and the actor's permission read under them. */
async function beginEdit(deps: Deps, ctx: RequestContext, tx: Transaction): Promise<Work> {
  const rules: TenantRules = await deps.rules.locked(tx, ctx.principal.tenantId);
  const now = deps.clock();
  requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["domains.manage"]);
  return { deps, ctx, tx, rules, now };
}

/** Verified domains are part of the rules that every decision rests on. */
async function moveRules({ deps, tx, rules: { tenantId } }: Work): Promise<void> {
  await reconcileJob(deps, tx, { tenantId, version: await bumpRules(tx, tenantId) }, "domains changed");
}

function domainEvent(work: Work, action: string, name: string, after: { [member: string]: string | null }) {
  return eventOf(work, action, "Domain", name, { name, ...after }, "USR-5");
}

function unproven(record: ChallengeRecord, answer: TxtAnswer): Problem {
  const others = answer.kind === "found" ? answer.texts.length : 0;
  const found =
    others === 0 ? "no TXT record is there" : `${others} TXT records are there, none of them with this text`;
  return new Problem(
    "domainUnproven",
    `Publish a TXT record named ${record.name} with the text ${record.value}; ${found}. ` +
      "A record that was published a moment ago may take until the old answer expires, an hour as a rule.",
    { facts: { rule: "USR-5", record } },
  );
}

function noDomain(text: string): Problem {
  return new Problem("notFound", `The domain "${text.slice(0, 100)}" is not listed.`);
}
