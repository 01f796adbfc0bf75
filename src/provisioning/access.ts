/** What the product asks at every sign-in (OpenID AuthZEN 1.0): one statement for each person asked about, never stored. */
import type { Executor } from "../db/database.ts";
import { readEvaluation, type SubjectKey } from "../db/evaluation.ts";
import type { TenantRules } from "../domain/access.ts";
import {
  type Evaluation,
  evaluateAccess as evaluate,
  outsider,
  type Question,
  type Resource,
} from "../domain/evaluation.ts";
import { isUuid } from "../ids.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Deps } from "./context.ts";

/** How a subject may be named: by Usher's id, or by userName. */
export const subjectTypes: readonly string[] = ["user", "userName"];

export interface AccessRequest {
  readonly subject: { readonly type: string; readonly id: string };
  readonly action: { readonly name: string };
  readonly resource?: Resource;
}

/** When a message of several questions ends (AuthZEN 1.0 §7.1.2.1). */
export type Semantic = "execute_all" | "deny_on_first_deny" | "permit_on_first_permit";

/** What is answered to a question of several that cannot be asked here (AuthZEN 1.0 §7.2.1). */
export interface Unanswerable extends Evaluation {
  readonly context: Evaluation["context"] & { readonly error: { readonly status: number; readonly message: string } };
}

/** ROL-4: the answer by what is committed now. An unknown subject is answered like an inactive one. */
export async function evaluateAccess(deps: Deps, tenantId: string, request: AccessRequest): Promise<Evaluation> {
  const ask = await readSubject(deps, tenantId, [request]);
  return ask(request);
}

/**
 * Answers questions in their order, as far as the semantic goes. Each person is read once, when the first question about
 * them is reached, together with what all questions about them name.
 */
export async function evaluateAll(
  deps: Deps,
  tenantId: string,
  requests: readonly AccessRequest[],
  semantic: Semantic = "execute_all",
): Promise<Evaluation[]> {
  const about = Map.groupBy(requests, subjectOf);
  const read = new Map<string, (request: AccessRequest) => Evaluation>();
  const answers: Evaluation[] = [];
  for (const request of requests) {
    const subject = subjectOf(request);
    const ask = read.get(subject) ?? (await readSubject(deps, tenantId, about.get(subject) ?? []));
    read.set(subject, ask);
    const answer = ask(request);
    answers.push(answer);
    if (semantic === "deny_on_first_deny" && !answer.decision) break;
    if (semantic === "permit_on_first_permit" && answer.decision) break;
  }
  return answers;
}

/** How many people the requests ask about: each costs a read. */
export function countSubjects(requests: readonly AccessRequest[]): number {
  return new Set(requests.map(subjectOf)).size;
}

function subjectOf({ subject }: AccessRequest): string {
  return `${subject.type} ${subject.id}`;
}

/** What is no id names nobody; it is looked up all the same, so that it takes as long. */
const nobody = "00000000-0000-0000-0000-000000000000";

/** Reads what questions about one person need, and answers them by it. */
async function readSubject(
  deps: Deps,
  tenantId: string,
  requests: readonly AccessRequest[],
): Promise<(request: AccessRequest) => Evaluation> {
  const { type, id } = requests[0]!.subject;
  if (!subjectTypes.includes(type)) return () => unanswerable(type);
  const key: SubjectKey =
    type === "userName" ? { nameNorm: normaliseName(id) } : { id: isUuid(id) ? id.toLowerCase() : nobody };
  const resources = requests.flatMap(({ resource }) => (resource === undefined ? [] : [toResource(resource)]));
  const idsOf = (type: string) =>
    resources.filter((resource) => resource.type === type && isUuid(resource.id)).map((resource) => resource.id);
  const named = { people: idsOf("user"), agents: idsOf("agent") };
  const { read, rules } = await readAtOneVersion(deps, tenantId, (executor) =>
    readEvaluation(executor, tenantId, key, named),
  );
  const now = deps.clock();
  return ({ action, resource }) => {
    const question: Question = { action: action.name, resource: resource === undefined ? null : toResource(resource) };
    return evaluate(read.person, question, rules, now, read.facts);
  };
}

/** Closed, with the mistake told: one such question must not cost the others their answers. */
function unanswerable(type: string): Unanswerable {
  const message = `A subject of type "${type.slice(0, 100)}" is not known here; the types are ${subjectTypes.join(", ")}.`;
  return { decision: false, context: { ...outsider.context, reason: message, error: { status: 400, message } } };
}

const attemptsMax = 3;

/**
 * Reads something together with the rules of the same moment. The rules are remembered by their version, so the read is
 * usually the only one; where they moved meanwhile, what was read is read again.
 */
async function readAtOneVersion<Read extends { readonly version: number | undefined }>(
  deps: Deps,
  tenantId: string,
  once: (executor: Executor) => Promise<Read>,
): Promise<{ read: Read; rules: TenantRules }> {
  for (let attempt = 1; ; attempt++) {
    const read = await once(deps.db);
    const rules = await deps.rules.at(deps.db, tenantId, read.version);
    if (rules.version === read.version || attempt === attemptsMax) return { read, rules };
  }
}

/** Ids compare without letter case. */
function toResource({ type, id }: Resource): Resource {
  return { type, id: isUuid(id) ? id.toLowerCase() : id };
}
