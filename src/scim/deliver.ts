/** From a request's conditions to an operation, and from the operation's answer to the response's status and headers. */
import type { IncomingMessage } from "node:http";
import type { Answer, Preconditions } from "./answer.ts";
import { passing } from "./handler.ts";
import type { Scope } from "./scope.ts";

/** Carries an operation out under the conditions of the request; returns the text that remains to be sent. */
export async function deliver(
  scope: Scope,
  operation: (conditions: Preconditions) => Promise<Answer>,
): Promise<string | undefined> {
  const { response } = scope;
  const { status, text, location, version } = await passing(scope, () => operation(conditionsOf(response.req)));
  if (version !== undefined) response.setHeader("ETag", version);
  // RFC 7644 §3.3: "the URI of the created resource SHALL be included in the HTTP 'Location' header".
  if (location !== undefined && status === 201) response.setHeader("Location", location);
  if (status === 304) response.status(304);
  return text;
}

function conditionsOf({ headers }: IncomingMessage): Preconditions {
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch } = headers;
  // An empty condition is one that nothing fulfils: what was asked for is not done unasked.
  return { ...(ifMatch === undefined ? {} : { ifMatch }), ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }) };
}
