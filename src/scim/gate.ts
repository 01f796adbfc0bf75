/**
 * What a request must pass before any resource sees it: a route that exists, a method that it takes, a query and a
 * body within bounds. Nothing behind this file reads the URL, the query string or the raw body again.
 */
import type { NextFunction, Request, Response } from "express";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { requireAcceptable } from "./accept.ts";
import { discardBody, readJsonObject, requireJson } from "./body.ts";
import { bounds } from "./config.ts";
import { carriesFilter, emptyQuery, parseQuery } from "./query.ts";
import { contextOf, currentScope } from "./scope.ts";

type Kind = "root" | "resources" | "resource" | "search" | "me" | "documents" | "document" | "catalogue" | "bulk";

export interface Route {
  readonly kind: Kind;
  readonly methods: readonly string[];
  /** The segment that names one resource or document, decoded. */
  readonly id?: string;
  readonly bodyBytesMax: number;
  /** As the metrics name it: without the id. */
  readonly template: string;
}

const READ = ["GET", "HEAD"];

/** RFC 7644 §3.2, Table 2. Segments are compared without letter case, one trailing slash is ignored. */
export function routeOf(path: string): Route | undefined {
  const segments = path.split("/").slice(1);
  if (segments.at(-1) === "") segments.pop();
  const [first = "", second, ...rest] = segments;
  // `/Users//` is neither the list nor a user.
  if (rest.length > 0 || second === "") return undefined;
  switch (first.toLowerCase()) {
    case "users":
      return resourceRoute("/Users", second, bounds.userBodyBytesMax);
    case "groups":
      return resourceRoute("/Groups", second, limits.scimBodyBytesMax);
    case "roles":
      return catalogueRoute("/Roles", second);
    case "entitlements":
      return catalogueRoute("/Entitlements", second);
    case "oktaroles":
      return catalogueRoute("/OktaRoles", second);
    case "oktaentitlements":
      return catalogueRoute("/OktaEntitlements", second);
    case "schemas":
      return documentRoute("/Schemas", second);
    case "resourcetypes":
      return documentRoute("/ResourceTypes", second);
    case "serviceproviderconfig":
      return second === undefined ? documentRoute("/ServiceProviderConfig", second) : undefined;
    case "me":
      return second === undefined
        ? { ...resourceRoute("/Me", "me", bounds.userBodyBytesMax), kind: "me", template: "/Me" }
        : undefined;
    case "bulk":
      return second === undefined ? bulkRoute : undefined;
    case ".search":
      return second === undefined ? resourceRoute("", ".search", 0) : undefined;
    case "":
      return second === undefined ? rootRoute : undefined;
    default:
      return undefined;
  }
}

/** RFC 7644 §3.4.2.1: a query over all types. */
const rootRoute: Route = { kind: "root", methods: READ, bodyBytesMax: bounds.smallBodyBytesMax, template: "/" };

/** RFC 7644 §3.7. */
const bulkRoute: Route = {
  kind: "bulk",
  methods: ["POST"],
  bodyBytesMax: limits.scimBodyBytesMax,
  template: "/Bulk",
};

function resourceRoute(template: string, second: string | undefined, bodyBytesMax: number): Route {
  if (second === undefined) return { kind: "resources", methods: [...READ, "POST"], bodyBytesMax, template };
  if (second.toLowerCase() === ".search") {
    const searchBytesMax = bounds.smallBodyBytesMax;
    return { kind: "search", methods: ["POST"], bodyBytesMax: searchBytesMax, template: `${template}/.search` };
  }
  const methods = [...READ, "PUT", "PATCH", "DELETE"];
  return { kind: "resource", methods, id: decodeSegment(second), bodyBytesMax, template: `${template}/:id` };
}

function documentRoute(template: string, second: string | undefined): Route {
  const bodyBytesMax = bounds.smallBodyBytesMax;
  if (second === undefined) return { kind: "documents", methods: READ, bodyBytesMax, template };
  return { kind: "document", methods: READ, id: decodeSegment(second), bodyBytesMax, template: `${template}/:id` };
}

/** Resources that are only read: listed and searched like others, changed through the management API. */
function catalogueRoute(template: string, second: string | undefined): Route {
  const route = resourceRoute(template, second, bounds.smallBodyBytesMax);
  return route.kind === "search" ? route : { ...route, kind: "catalogue", methods: READ };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Problem("notFound", "The path names nothing: its percent-encoding cannot be read.");
  }
}

/** Names of schemas and resource types. Whatever else is asked for does not exist. */
const documentName = /^[\w.:-]{1,200}$/;

/** Checks the request, then leaves `req.query` as a ScimQuery and `req.body` as a JSON object or undefined. */
export async function gate(req: Request, res: Response, next: NextFunction): Promise<void> {
  const route = routeOf(req.path);
  if (route === undefined) throw new Problem("notFound", "No such endpoint. The resources are /Users and /Groups.");
  res.locals.route = req.baseUrl + route.template;
  if (req.method === "OPTIONS") {
    await discardBody(req);
    await currentScope().confirm();
    res.set("Allow", route.methods.join(", ")).status(204).end();
    return;
  }
  requireMethod(route, req.method);
  if (route.kind === "me") leadToSelf(req, res);
  // A deletion has no body to be read.
  if (req.method !== "DELETE") requireAcceptable(req);
  if (route.kind === "document" && !documentName.test(route.id ?? ""))
    throw new Problem("notFound", "No such document.");
  pin(req, "query", queryOf(req, route));
  res.setHeader("Content-Type", "application/scim+json");
  if (req.method === "POST" || req.method === "PUT" || req.method === "PATCH") {
    requireJson(req);
    req.body = await readJsonObject(req, route.bodyBytesMax);
  } else {
    await discardBody(req);
    req.body = undefined;
  }
  next();
}

/**
 * RFC 7644 §3.11: /Me is the user whom the credential acts for. "In any response, the HTTP 'Location' header MUST be the
 * permanent location of the aliased resource": also in a refusal.
 */
function leadToSelf(req: Request, res: Response): void {
  const scope = currentScope();
  const { person } = contextOf(scope).principal;
  if (!person)
    throw new Problem("notImplemented", "This token acts for nobody: /Me is for tokens that belong to a user.");
  req.url = `/Users/${person}`;
  res.setHeader("Location", scope.baseUrl + req.url);
}

/** Before the body is looked at: Okta posts something that is no JSON to a discovery endpoint and wants 405. */
function requireMethod(route: Route, method: string): void {
  if (route.methods.includes(method)) return;
  const allow = route.methods.join(", ");
  throw new Problem("methodNotAllowed", `This endpoint takes ${allow}.`, { headers: { Allow: allow } });
}

function queryOf(req: Request, route: Route): object {
  const at = req.originalUrl.indexOf("?");
  const search = at < 0 ? "" : req.originalUrl.slice(at);
  if (route.kind !== "documents" && route.kind !== "document") return parseQuery(search);
  // RFC 7644 §4: paging, sorting and projection are ignored here; a filter SHOULD be answered 403.
  if (carriesFilter(search)) throw new Problem("forbidden", "This endpoint cannot be filtered.");
  return { ...emptyQuery };
}

/** Express 5 parses the query anew on every read of `req.query`; an own property stops that. */
function pin(req: Request, name: "query", value: object): void {
  Object.defineProperty(req, name, { value, writable: true, configurable: true, enumerable: true });
}
