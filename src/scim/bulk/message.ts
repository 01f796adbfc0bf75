/** The BulkRequest message (RFC 7644 §3.7): its envelope read strictly, each operation for itself, so that one spoils no other. */
import { Problem } from "../../problems.ts";
import { isObject } from "../../vocabulary/json.ts";
import { BULK_REQUEST } from "../../vocabulary/urns.ts";
import { bounds } from "../config.ts";
import { routeOf } from "../gate.ts";
import { type Body, groups, type Operations, type Preconditions, users } from "../operations.ts";
import { spelled } from "../patch/operations.ts";

const methods = ["POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof methods)[number];

/** What an operation asks for. */
export interface Task {
  readonly method: Method;
  readonly resources: Operations;
  /** Of the resource concerned, or a reference to the operation that creates it; absent for POST. */
  readonly id?: string;
  /** Empty for DELETE. */
  readonly data: Body;
  readonly conditions: Preconditions;
}

export interface BulkOperation {
  /** Its place in the request, from 0. */
  readonly index: number;
  /** Method, bulkId and path as far as they could be read: the answer repeats them. */
  readonly method?: Method;
  readonly bulkId?: string;
  readonly path?: string;
  /** What an administrator knows the resource by, for the log. */
  readonly name?: string;
  /** What to do, or why that cannot be done. */
  readonly task: Task | Problem;
}

export interface BulkRequest {
  /** After so many errors no further operation is started. */
  readonly errorsMax: number;
  readonly operations: readonly BulkOperation[];
}

/**
 * Reads the message; `baseUrl` is our own. Raises `invalidSyntax` and `invalidValue` for an envelope that cannot be read,
 * `payloadTooLarge` for more operations than are taken. What is wrong with an operation stands in its place.
 */
export function parseBulkRequest(body: Body, baseUrl: string): BulkRequest {
  const envelope = spelled(body, ["schemas", "failOnErrors", "Operations"], "the BulkRequest message");
  requireBulkRequest(envelope.schemas);
  const operations = envelope.Operations;
  if (!Array.isArray(operations)) throw new Problem("invalidSyntax", "Operations must be a list of operations.");
  const { bulkOperationsMax } = bounds;
  if (operations.length > bulkOperationsMax) {
    // RFC 7644 §3.7.4: 413, and "the returned response MUST specify the limit exceeded in the body of the error response".
    throw new Problem(
      "payloadTooLarge",
      `A Bulk takes at most ${bulkOperationsMax} operations; this one has ${operations.length}. Send several requests.`,
    );
  }
  return {
    errorsMax: toErrorsMax(envelope.failOnErrors),
    operations: operations.map((json: unknown, index) => toOperation(json, index, baseUrl)),
  };
}

/** As with PATCH, the schema may be missing, but not be another message's. */
function requireBulkRequest(schemas: unknown): void {
  const given: unknown[] = Array.isArray(schemas) ? schemas : [schemas ?? BULK_REQUEST];
  const isOurs = (one: unknown) => typeof one === "string" && one.toLowerCase() === BULK_REQUEST.toLowerCase();
  if (given.length === 0 || given.some(isOurs)) return;
  throw new Problem("invalidSyntax", `schemas of a Bulk must be ["${BULK_REQUEST}"].`);
}

/** Entra's API-driven provisioning sends null; see generic-bulk-bulkupload-shape in test/fixtures/clients. */
function toErrorsMax(failOnErrors: unknown): number {
  if (failOnErrors === undefined || failOnErrors === null) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(failOnErrors) && (failOnErrors as number) >= 1) return failOnErrors as number;
  throw new Problem(
    "invalidValue",
    "failOnErrors must be a whole number from 1 on; leave it out to go on whatever fails.",
    { facts: { attribute: "failOnErrors" } },
  );
}

function toOperation(json: unknown, index: number, baseUrl: string): BulkOperation {
  const label = `Operations[${index}]`;
  const members = attempt(() => {
    if (!isObject(json)) throw new Problem("invalidSyntax", `${label} must be an object with method, path and data.`);
    return spelled(json, ["method", "bulkId", "version", "path", "data"], label);
  });
  if (members instanceof Problem) return { index, task: members };
  const { bulkId, path } = members;
  const method = methods.find((one) => typeof members.method === "string" && one === members.method.toUpperCase());
  const name = nameOf(members.data);
  return {
    index,
    ...(method === undefined ? {} : { method }),
    ...(isBulkId(bulkId) ? { bulkId } : {}),
    ...(typeof path === "string" ? { path } : {}),
    ...(name === undefined ? {} : { name }),
    task: attempt(() => toTask(members, method, label, baseUrl)),
  };
}

type Members = ReturnType<typeof spelled<"method" | "bulkId" | "version" | "path" | "data">>;

function toTask(members: Members, method: Method | undefined, label: string, baseUrl: string): Task {
  const { bulkId, path, version, data } = members;
  if (method === undefined) throw new Problem("invalidSyntax", `${label}.method must be POST, PUT, PATCH or DELETE.`);
  if (bulkId !== undefined && bulkId !== null && !isBulkId(bulkId)) {
    throw new Problem("invalidSyntax", `${label}.bulkId must be text of 1 to ${bulkIdLengthMax} characters.`);
  }
  // RFC 7644 §3.7: bulkId is "REQUIRED when "method" is "POST"".
  if (method === "POST" && !isBulkId(bulkId)) {
    throw new Problem("invalidSyntax", `${label} needs a bulkId: it tells which answer belongs to which POST.`);
  }
  const { resources, id } = toTarget(path, method, label, baseUrl);
  const conditions = method === "POST" ? {} : toConditions(version, label);
  if (method === "DELETE") return { method, resources, ...id, data: {}, conditions };
  if (!isObject(data))
    throw new Problem("invalidSyntax", `${label}.data must be the JSON object that a ${method} takes.`);
  if (resources.type === "User") requireSmall(data, label);
  return { method, resources, ...id, data, conditions };
}

/** The resource type, and the resource for all but POST. */
function toTarget(
  path: unknown,
  method: Method,
  label: string,
  baseUrl: string,
): { resources: Operations; id: { id?: string } } {
  if (typeof path !== "string" || path === "")
    throw new Problem("invalidSyntax", `${label}.path must be text such as /Users or /Groups/<id>.`);
  if (/[?#]/.test(path)) throw invalidPath(`${label}.path takes no query.`);
  const route = routeOf(withoutBase(path, label, baseUrl));
  if (route === undefined) throw new Problem("notFound", `${label}.path names no endpoint.`);
  const resources = [users, groups].find(({ endpoint }) => route.template.split("/:")[0] === endpoint);
  if (resources === undefined || route.kind === "search") {
    throw invalidPath(
      `${label}.path must name /Users, /Groups or one of their resources; a Bulk changes nothing else.`,
    );
  }
  if (!route.methods.includes(method)) {
    const advice = method === "POST" ? `send POST to ${resources.endpoint}` : `name one: ${resources.endpoint}/<id>`;
    throw new Problem("methodNotAllowed", `${label}: ${method} is not for this path; ${advice}.`);
  }
  return { resources, id: route.id === undefined ? {} : { id: route.id } };
}

/** RFC 7644 §3.7 has paths relative to the base URL; a location that we gave is as good. */
function withoutBase(path: string, label: string, baseUrl: string): string {
  if (path.toLowerCase().startsWith(`${baseUrl.toLowerCase()}/`)) return path.slice(baseUrl.length);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw invalidPath(`${label}.path leads elsewhere: write it as /Users/<id>.`);
  return path.startsWith("/") ? path : `/${path}`;
}

/** Ours have some forty; a list of them may be sent, as in If-Match. */
const versionLengthMax = 1_024;

function toConditions(version: unknown, label: string): Preconditions {
  if (version === undefined || version === null) return {};
  if (typeof version !== "string" || version.length > versionLengthMax) {
    throw new Problem(
      "invalidSyntax",
      `${label}.version must be an ETag as text, ${versionLengthMax} characters at most.`,
    );
  }
  return { ifMatch: version };
}

/** In a Bulk a user is as large as in a request of its own. */
function requireSmall(data: Body, label: string): void {
  const { userBodyBytesMax } = bounds;
  if (Buffer.byteLength(JSON.stringify(data)) <= userBodyBytesMax) return;
  throw new Problem("payloadTooLarge", `${label}.data is larger than ${userBodyBytesMax} bytes.`);
}

/** Clients send GUIDs and names; the answer repeats it. */
const bulkIdLengthMax = 1_000;

function isBulkId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= bulkIdLengthMax;
}

function invalidPath(detail: string): Problem {
  return new Problem("invalidValue", detail, { facts: { attribute: "path" } });
}

function attempt<T>(read: () => T): T | Problem {
  try {
    return read();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

function nameOf(data: unknown): string | undefined {
  if (!isObject(data)) return undefined;
  for (const wanted of ["username", "displayname"]) {
    const found = Object.entries(data).find(([name]) => name.toLowerCase() === wanted)?.[1];
    if (typeof found === "string") return found;
  }
  return undefined;
}
