/** Tag access: what a person may do, asked by the product (OpenID AuthZEN 1.0). */
import { type Resource, signIn } from "../domain/evaluation.ts";
import { Problem } from "../problems.ts";
import {
  type AccessRequest,
  countSubjects,
  evaluateAccess,
  evaluateAll,
  type Semantic,
  subjectTypes,
} from "../provisioning/access.ts";
import type { Handlers } from "./operation.ts";

/** A question of which the message may leave parts to its defaults. */
interface Parts {
  readonly subject?: AccessRequest["subject"];
  readonly action?: AccessRequest["action"];
  readonly resource?: Resource;
}

interface Questions extends Parts {
  readonly evaluations?: readonly Parts[];
  readonly options?: { readonly evaluations_semantic?: Semantic };
}

export const accessHandlers: Handlers = {
  async evaluateAccess({ deps, ctx, body }) {
    const request = requireWhole([body as Parts], () => "/body")[0]!;
    return { body: await evaluateAccess(deps, ctx.principal.tenantId, request) };
  },

  async evaluateAccessBatch({ deps, ctx, body }) {
    const { evaluations = [], options, ...defaults } = body as Questions;
    const { tenantId } = ctx.principal;
    // AuthZEN 1.0 §7.1: without `evaluations`, or with none, it is the single question.
    if (evaluations.length === 0) {
      const request = requireWhole([defaults], () => "/body")[0]!;
      requireSubjectType(request);
      return { body: await evaluateAccess(deps, tenantId, request) };
    }
    const asked = evaluations.map((parts) => ({ ...defaults, ...parts }));
    const requests = requireWhole(asked, (index) => `/body/evaluations/${index}`);
    deps.limiter?.charge(ctx.principal, countSubjects(requests) - 1, "access");
    const answers = await evaluateAll(deps, tenantId, requests, options?.evaluations_semantic);
    return { body: { evaluations: answers } };
  },
};

/** AuthZEN 1.0 §10.1.1: "If a required attribute … is omitted, the server MUST return a 'Bad Request' error". */
function requireWhole(asked: readonly Parts[], placeOf: (index: number) => string): AccessRequest[] {
  const missing = asked.flatMap(({ subject, action, resource }, index) => {
    // Whether somebody may enter is asked of the person alone.
    const needed = { subject, action, ...(action?.name === signIn ? {} : { resource }) };
    const absent = Object.entries(needed).filter(([, value]) => value === undefined);
    return absent.map(([name]) => ({ path: `${placeOf(index)}/${name}`, message: "must be there" }));
  });
  if (missing.length === 0) return asked as AccessRequest[];
  const named = missing.slice(0, 10).map(({ path, message }) => `${path} ${message}`);
  throw new Problem("invalidValue", `${named.join("; ")}.`, { facts: { errors: missing.slice(0, 100) } });
}

function requireSubjectType({ subject }: AccessRequest): void {
  if (subjectTypes.includes(subject.type)) return;
  const message = `must be one of ${subjectTypes.join(", ")}`;
  const path = "/body/subject/type";
  throw new Problem("invalidValue", `${path} ${message}.`, { facts: { errors: [{ path, message }] } });
}
