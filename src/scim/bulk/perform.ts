/** One operation, as the single request that it stands for: the same use case, under a scope of its own. */
import { isUuid } from "../../ids.ts";
import type { Answer } from "../answer.ts";
import { emptyQuery, type ScimQuery } from "../query.ts";
import { type Scope, within } from "../scope.ts";
import type { Job } from "./job.ts";
import type { BulkOperation, Task } from "./message.ts";
import type { Outcome } from "./outcome.ts";

/** How a task ended that refers to nothing any more; whatever goes wrong is part of it. */
export async function performTask(job: Job, operation: BulkOperation, task: Task): Promise<Outcome> {
  // What an operation leaves in its scope for the log, and its headers, are not those of the whole answer.
  const scope: Scope = { ...job.scope, failure: undefined, answer: undefined, decision: undefined };
  const place = placeOf(scope, task);
  try {
    const { status, location = place, version } = await within(scope, () => perform(scope, task));
    return { status, ...(location === undefined ? {} : { location }), ...(version === undefined ? {} : { version }) };
  } catch (error) {
    return job.toFailure(operation, error, place);
  }
}

function perform(scope: Scope, { method, resources, id = "", data, conditions }: Task): Promise<Answer> {
  const query = resources.type === "Group" ? withoutMembers : emptyQuery;
  switch (method) {
    case "POST":
      return resources.create(scope, data, query);
    case "PUT":
      return resources.replace(scope, id, data, query, conditions);
    case "PATCH":
      return resources.patch(scope, id, data, emptyQuery, conditions);
    case "DELETE":
      return resources.delete(scope, id, conditions);
  }
}

/** The answer tells no resource, so members are not read for it. */
const withoutMembers: ScimQuery = { ...emptyQuery, excludedAttributes: ["members"] };

/** RFC 7644 §3.7: `location` is there in every answer but that of a failed POST. */
function placeOf({ baseUrl }: Scope, { resources, id }: Task): string | undefined {
  return id !== undefined && isUuid(id) ? `${baseUrl}${resources.endpoint}/${id.toLowerCase()}` : undefined;
}

/** The id of what a POST has created. */
export function createdId({ location }: Outcome): string | undefined {
  return location?.slice(location.lastIndexOf("/") + 1);
}
