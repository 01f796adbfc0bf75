/**
 * The management API and access evaluation. openapi.yaml says which routes there are; a route without a handler, or a
 * handler without a route, stops the process at its start. A request passes, in this order: authentication, the
 * rate limit, the permission that its operation names, its body, the document's schema, the handler.
 */
import { type NextFunction, type Request, type RequestHandler, type Response, Router } from "express";
import * as OpenApiValidator from "express-openapi-validator";
import { authenticate } from "../auth/authenticate.ts";
import { requirePermission } from "../auth/authority.ts";
import { type Principal, requireOperator, requireScope } from "../auth/principal.ts";
import { countingFailures } from "../auth/rate-limiter.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { isUuid } from "../provisioning/users.ts";
import { apiDocument, type Operation, operations } from "./api-document.ts";
import { readBody } from "./body.ts";
import { handlers } from "./handlers.ts";
import type { AdminDeps, Call } from "./operation.ts";

/** The doors by the path that they are mounted at. */
export function createAdminRouters(deps: AdminDeps): Readonly<Record<"/api/v1" | "/access/v1", Router>> {
  requireAllHandled();
  const validate = createValidator();
  return {
    "/api/v1": createRouter(deps, "/api/v1", validate, limits.apiBodyBytesMax),
    "/access/v1": createRouter(deps, "/access/v1", validate, limits.accessBodyBytesMax),
  };
}

function createRouter(deps: AdminDeps, base: string, validate: RequestHandler[], bodyBytesMax: number): Router {
  const router = Router({ caseSensitive: true, strict: true });
  // AUTH-1: before anything else, so that a route added tomorrow is closed as well.
  router.use(async (req, res, next) => {
    const principal = await countingFailures(deps.limiter, req.socket.remoteAddress, () =>
      authenticate(deps, req.get("authorization")),
    );
    deps.limiter?.admit(principal, base === "/access/v1" ? "access" : "management");
    res.locals.principal = principal;
    next();
  });
  const own = operations.filter((operation) => operation.path.startsWith(`${base}/`));
  for (const operation of own) {
    const steps = [permit(deps, operation), ...readBody(bodyBytesMax), ...validate];
    router[operation.method](toRoute(operation.path.slice(base.length)), ...steps, handle(deps, operation));
  }
  for (const path of new Set(own.map((operation) => operation.path))) {
    router.all(toRoute(path.slice(base.length)), refuseMethod(own.filter((operation) => operation.path === path)));
  }
  router.use(() => {
    throw new Problem("notFound", "The management API has no such operation; openapi.yaml lists them.");
  });
  return router;
}

/** Express says `:id` where OpenAPI says `{id}`. */
function toRoute(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

function createValidator(): RequestHandler[] {
  return OpenApiValidator.middleware({
    apiSpec: apiDocument,
    validateApiSpec: false, // A test does; at each start it would cost half a second.
    validateRequests: { allowUnknownQueryParameters: false, coerceTypes: false },
    validateResponses: false,
    validateSecurity: false,
    fileUploader: false,
  }) as RequestHandler[];
}

/** Judged before the body is read and before any precondition. Use cases judge again inside their transaction. */
function permit(deps: AdminDeps, { scope, permissions, path }: Operation): RequestHandler {
  const route = toRoute(path);
  return async (_req, res, next) => {
    res.locals.route = route;
    const principal: Principal = res.locals.principal;
    if (scope === "operator") requireOperator(principal);
    else requireScope(principal, scope);
    if (permissions.length > 0) await requirePermission(deps, { principal }, ...permissions);
    next();
  };
}

function handle(deps: AdminDeps, operation: Operation): RequestHandler {
  const handler = handlers[operation.id]!;
  return async (req, res) => {
    const call = toCall(deps, operation, req, res);
    // What is no id names nothing, here or in another tenant: the same answer for both.
    if (call.params.id !== undefined && !isUuid(call.params.id)) throw new Problem("notFound", "Nothing has this id.");
    const answer = await handler(call);
    res.set({ ...answer.headers });
    if (answer.body === undefined) res.status(answer.status ?? 204).end();
    else res.status(answer.status ?? 200).json(answer.body);
  };
}

function toCall(deps: AdminDeps, operation: Operation, req: Request, res: Response): Call {
  return {
    deps,
    ctx: { principal: res.locals.principal, requestId: String(res.locals.requestId ?? deps.newId()), door: "api" },
    operationId: operation.id,
    params: req.params as Record<string, string>,
    query: Object.fromEntries(Object.entries(req.query).map(([name, value]) => [name, String(value)])),
    body: req.body,
    header: (name) => req.get(name),
  };
}

function refuseMethod(known: readonly Operation[]): RequestHandler {
  const allow = known.map((operation) => operation.method.toUpperCase()).join(", ");
  return (_req: Request, _res: Response, _next: NextFunction) => {
    throw new Problem("methodNotAllowed", `This path takes ${allow}.`, { headers: { Allow: allow } });
  };
}

function requireAllHandled(): void {
  const described = new Set(operations.map((operation) => operation.id));
  const unhandled = [...described].filter((id) => !(id in handlers));
  const undescribed = Object.keys(handlers).filter((id) => !described.has(id));
  if (unhandled.length + undescribed.length > 0) {
    const names = [...unhandled, ...undescribed].join(", ");
    throw new Error(`openapi.yaml and the handlers of src/admin disagree about: ${names}`);
  }
}
