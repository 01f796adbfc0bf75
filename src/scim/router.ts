/**
 * The SCIM door: the steps that a request passes, in order. Authentication comes before anything reads the body, and the
 * gate before anything of scimmy sees the request.
 */
import { type NextFunction, type Request, type RequestHandler, type Response, Router } from "express";
import { SCIMMYRouters } from "scimmy-routers";
import { requireScope } from "../auth/principal.ts";
import { countingFailures } from "../auth/rate-limiter.ts";
import { Recogniser } from "../auth/recognise.ts";
import { Problem } from "../problems.ts";
import { bulk } from "./bulk/index.ts";
import { type Catalogue, catalogues } from "./catalogue.ts";
import { deliver } from "./deliver.ts";
import { gate } from "./gate.ts";
import { passing, unwrapFailure } from "./handler.ts";
import { everything } from "./list/index.ts";
import { logExchange } from "./log-exchange.ts";
import { groups, type Operations, users } from "./operations.ts";
import { parseSearchRequest, type ScimQuery } from "./query.ts";
import { declareResources } from "./resources.ts";
import { currentScope, type ScimDeps, type Scope, within } from "./scope.ts";

/** Everything under `/scim/v2`; mount it there, in an app without a body parser and without `etag`. */
export function createScimRouter(deps: ScimDeps): Router {
  const router = Router();
  router.use(inScope(deps));
  router.use(requireScimToken(deps));
  router.use(logExchange);
  router.use(gate);
  router.post("/Bulk", bulk);
  router.post("/Users/.search", search(users));
  router.post("/Groups/.search", search(groups));
  router.post("/.search", search(everything));
  router.get("/", search(everything, asParsed));
  for (const catalogue of catalogues) {
    router.get(catalogue.endpoint, publish(catalogue));
    router.get(`${catalogue.endpoint}/:id`, publish(catalogue));
    router.post(`${catalogue.endpoint}/.search`, search(catalogue));
  }
  router.use(scimmyRouters());
  router.use(unwrapFailure);
  return router;
}

function inScope(deps: ScimDeps): RequestHandler {
  return (req, res, next) => {
    const origin = deps.publicUrl?.replace(/\/+$/, "") ?? `${req.protocol}://${requireHost(req.get("host"))}`;
    const scope: Scope = {
      deps,
      response: res,
      baseUrl: origin + req.baseUrl,
      requestId: typeof res.locals.requestId === "string" ? res.locals.requestId : deps.newId(),
      confirm: async () => {},
      context: undefined,
      failure: undefined,
      answer: undefined,
      decision: undefined,
    };
    within(scope, next);
  };
}

/** A name or an address, with a port or without (RFC 9110 §7.2): the answer repeats it in every location. */
const hostShape = /^([\w.-]{1,253}|\[[\da-f:.]{2,45}\])(:\d{1,5})?$/i;

function requireHost(host = "localhost"): string {
  if (hostShape.test(host)) return host;
  throw new Problem("invalidSyntax", "The Host header is not the name of a server.");
}

function requireScimToken(deps: ScimDeps): RequestHandler {
  const recogniser = new Recogniser(deps);
  return async (req: Request, _res: Response, next: NextFunction) => {
    const scope = currentScope();
    const { principal, db, confirm } = await countingFailures(deps.limiter, req.socket.remoteAddress, () =>
      recogniser.recognise(req.get("authorization")),
    );
    deps.limiter?.admit(principal);
    requireScope(principal, "scim");
    scope.deps = { ...scope.deps, db };
    scope.confirm = confirm;
    scope.context = { principal, requestId: scope.requestId, door: "scim" };
    next();
  };
}

const asParsed = ({ query }: Request) => query as unknown as ScimQuery;

/** RFC 7644 §3.4.3: a query as POST. scimmy's own route would parse the client's filter, and it knows none at the root. */
function search(
  { list }: Pick<Operations | Catalogue, "list">,
  queryOf: (req: Request) => ScimQuery = ({ body }) => parseSearchRequest(body),
): RequestHandler {
  return async (req, res) => {
    const scope = currentScope();
    const { text } = await passing(scope, () => list(scope, queryOf(req)));
    res.set("Content-Type", "application/scim+json").send(text);
  };
}

/** Resources that are only read, and that scimmy does not know. */
function publish(catalogue: Catalogue): RequestHandler<{ id?: string }> {
  return async (req, res) => {
    const scope = currentScope();
    const query = req.query as unknown as ScimQuery;
    const { id } = req.params;
    const text = await deliver(scope, (conditions) =>
      id === undefined ? catalogue.list(scope, query, conditions) : catalogue.get(scope, id, query, conditions),
    );
    res.send(text);
  };
}

let routers: Router | undefined;

/** One for the process: each further one would add to scimmy's process-wide configuration. */
function scimmyRouters(): Router {
  if (routers === undefined) {
    declareResources();
    // Authentication is done; the handler names nobody, and scimmy's own /Me is never reached.
    routers = new SCIMMYRouters({ type: "bearer", handler: () => "", context: () => currentScope() });
    putResourcesFirst(routers);
  }
  return routers;
}

/**
 * scimmy asks its routes in the order of their making: a parser for the body that the gate has read, an authentication
 * that is done, six routers of documents, Bulk and Me, and then the resources. Nearly every request is about those, so
 * they come first, which saves a tenth of a GET's own time (65 to 58 µs, database apart).
 */
function putResourcesFirst({ stack }: Router): void {
  const isResource = (layer: (typeof stack)[number]) => (layer as { slash?: boolean }).slash === false;
  stack.splice(0, stack.length, ...stack.filter(isResource), ...stack.filter((layer) => !isResource(layer)));
}
