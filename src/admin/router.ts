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
import { countingFailures, type Use } from "../auth/rate-limiter.ts";
import { Recogniser, type Recognition } from "../auth/recognise.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { isUuid } from "../provisioning/users.ts";
import { confirmRefusal, returnRequestId } from "./access-door.ts";
import { apiDocument, type Operation, operations } from "./api-document.ts";
import { readBody, takeFile } from "./body.ts";
import { handlers } from "./handlers.ts";
import type { AdminDeps, Call } from "./operation.ts";
import { sendText } from "./send-text.ts";

interface Door {
  readonly base: "/api/v1" | "/access/v1";
  readonly use: Use;
  readonly bodyBytesMax: number;
  /** Who the Authorization header proves; raises `unauthorized`. */
  recognise(header: string | undefined): Promise<Recognition>;
}

/** The doors by the path that they are mounted at. */
export function createAdminRouters(deps: AdminDeps): Readonly<Record<Door["base"], Router>> {
  requireAllHandled();
  const validate = createValidator();
  const management: Door = {
    base: "/api/v1",
    use: "management",
    bodyBytesMax: limits.apiBodyBytesMax,
    recognise: async (header) => ({
      principal: await authenticate(deps, header),
      db: deps.db,
      confirm: async () => {},
    }),
  };
  const recogniser = new Recogniser(deps);
  const access: Door = {
    base: "/access/v1",
    use: "access",
    bodyBytesMax: limits.accessBodyBytesMax,
    recognise: (header) => recogniser.recognise(header),
  };
  return { "/api/v1": createRouter(deps, management, validate), "/access/v1": createRouter(deps, access, validate) };
}

function createRouter(deps: AdminDeps, door: Door, validate: RequestHandler[]): Router {
  const { base, bodyBytesMax } = door;
  const router = Router({ caseSensitive: true, strict: true });
  // AUTH-1: before anything else, so that a route added tomorrow is closed as well.
  router.use(async (req, res, next) => {
    if (door.use === "access") returnRequestId(req, res);
    const recognition = await countingFailures(deps.limiter, req.socket.remoteAddress, () =>
      door.recognise(req.get("authorization")),
    );
    const { principal } = recognition;
    deps.limiter?.admit(principal, door.use);
    Object.assign(res.locals, { principal, recognition });
    next();
  });
  const own = operations.filter((operation) => operation.path.startsWith(`${base}/`));
  for (const operation of own) {
    const body = operation.takesCsv ? takeFile(limits.importBodyBytesMax) : readBody(bodyBytesMax);
    const steps = [permit(deps, operation), ...body, ...validate];
    router[operation.method](toRoute(operation.path.slice(base.length)), ...steps, handle(deps, operation));
  }
  for (const path of new Set(own.map((operation) => operation.path))) {
    router.all(toRoute(path.slice(base.length)), refuseMethod(own.filter((operation) => operation.path === path)));
  }
  router.use(() => {
    throw new Problem("notFound", "The management API has no such operation; openapi.yaml lists them.");
  });
  router.use(confirmRefusal);
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
    await (res.locals.recognition as Recognition).confirm();
    res.set({ ...answer.headers });
    if (answer.text !== undefined) await sendText(res, answer.text);
    else if (answer.body === undefined) res.status(answer.status ?? 204).end();
    else res.status(answer.status ?? 200).json(answer.body);
  };
}

function toCall(deps: AdminDeps, operation: Operation, req: Request, res: Response): Call {
  const { db } = res.locals.recognition as Recognition;
  return {
    deps: { ...deps, db },
    ctx: { principal: res.locals.principal, requestId: String(res.locals.requestId ?? deps.newId()), door: "api" },
    operationId: operation.id,
    params: req.params as Record<string, string>,
    query: Object.fromEntries(Object.entries(req.query).map(([name, value]) => [name, String(value)])),
    body: req.body,
    ...(res.locals.file === undefined ? {} : { file: res.locals.file }),
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
