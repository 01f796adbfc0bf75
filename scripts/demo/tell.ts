/** What the story looks up again and again: a person's role and license, and the reasons. */
import { USHER_USER } from "../../src/vocabulary/urns.ts";
import { describeLicense, type Explanation, type License, type ScimUser } from "./answers.ts";
import type { Stage } from "./stage.ts";

export function meetUser({ story, meet }: Stage, name: string, user: ScimUser): void {
  story.holds("the user's id", user.id.length, 36);
  meet(name, user.id);
}

/** Tells the license of somebody and checks it. */
export async function tellLicense(stage: Stage, name: string, expected: Partial<License>): Promise<License> {
  const { license } = (await lookAt(stage, name))[USHER_USER];
  stage.story.holds(`the license of ${name}`, license, expected);
  stage.story.plain(`${"".padEnd(8)}   ${name}: ${describeLicense(license)}`);
  return license;
}

/** Tells the role of somebody, as SCIM shows it and as the product is told. */
export async function tellRole(stage: Stage, name: string, role: string): Promise<void> {
  const { story, product, id } = stage;
  story.holds(`the role of ${name}`, (await lookAt(stage, name))[USHER_USER].effectiveRole, role);
  await product.ask(
    {
      method: "POST",
      path: "/evaluation",
      body: { subject: { type: "user", id: id(name) }, action: { name: "sign-in" } },
    },
    { status: 200, holds: { decision: true, context: { role } }, say: `may sign in, as ${role}` },
  );
}

/** Tells the reason with this outcome; it has to mention the text. */
export async function explainRole(
  { story, admin, id }: Stage,
  name: string,
  outcome: "won" | "withheld",
  mentions: string,
): Promise<void> {
  const { role } = await admin.look<Explanation>(`/users/${id(name)}/explain`);
  const reason = role.reasons.find((one) => one.outcome === outcome && one.because.includes(mentions));
  if (reason === undefined) {
    return story.fail(`no reason ${outcome} mentions ${mentions}: ${JSON.stringify(role.reasons)}`);
  }
  story.why(outcome === "won" ? reason.because : `${reason.because} Withheld: an Admin has to approve.`);
}

async function lookAt({ entra, id }: Stage, name: string): Promise<ScimUser> {
  return await entra.look<ScimUser>(`/Users/${id(name)}`);
}

interface Progress {
  readonly state: "running" | "done";
  readonly total: number;
  readonly done: number;
  readonly reason: string | null;
}

/** After a save: waits until everybody is decided anew. */
export async function awaitReconcile({ admin }: Stage, expected: { readonly total: number }): Promise<void> {
  await admin.waitFor<Progress>("/mapping/progress", ({ state }) => state === "done");
  await admin.ask<Progress>(
    { method: "GET", path: "/mapping/progress" },
    {
      status: 200,
      holds: { state: "done", ...expected, done: expected.total },
      say: ({ state, done, total }) => `${state}: ${done} of ${total} decided anew`,
    },
  );
}

export interface LogEntry {
  readonly requestId: string;
  readonly connection: string;
  readonly method: string;
  readonly status: number;
  readonly request: unknown;
  readonly answer: { readonly detail: string };
}

/** Finds a refusal where an IT admin looks for it; exchanges are written down half a second after the answer. */
export async function findInLog({ story, admin }: Stage, query: string, requestId: string): Promise<LogEntry> {
  type Page = { entries: LogEntry[] };
  const find = ({ entries }: Page) => entries.find((entry) => entry.requestId === requestId);
  const request = { method: "GET", path: `/provisioning-log?${query}` };
  await admin.waitFor<Page>(request.path, (page) => find(page) !== undefined);
  const page = await admin.ask<Page>(request, {
    status: 200,
    say: (body) => {
      const entry = find(body);
      return `${entry?.connection} sent ${entry?.method} and was answered ${entry?.status}`;
    },
  });
  return find(page) ?? story.fail("the refusal is not in the provisioning log");
}
