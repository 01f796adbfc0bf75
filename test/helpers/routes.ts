/** Every route of an express app, read off the routers that are mounted in it: what is added tomorrow is found tomorrow. */
import type { Express } from "express";

export interface MountedRoute {
  /** In capitals; `*` for a route that takes every method, and for a function that is mounted at a path of its own. */
  readonly method: string;
  /** As mounted: `/api/v1/users/:id`. */
  readonly path: string;
}

interface Layer {
  readonly rawPath: string;
  readonly route?: { readonly methods: Readonly<Record<string, boolean>>; readonly stack: Layer[] };
  handle: ((...given: unknown[]) => unknown) & { readonly stack?: Layer[] };
}

/** The routes in the order in which a request meets them. */
export function routesOf(app: Express): MountedRoute[] {
  return walk(app).flatMap(({ layer, path, depth }) => {
    if (layer.route !== undefined) {
      const methods = Object.keys(layer.route.methods).map((name) => (name === "_all" ? "*" : name.toUpperCase()));
      return methods.map((method) => ({ method, path }));
    }
    return depth === 0 && path !== "/" ? [{ method: "*", path }] : [];
  });
}

/** The path with something in place of its parameters. */
export function filled(path: string, value: string): string {
  return path.replace(/:\w+/g, value).replace(/\$$/, "");
}

/**
 * Counts who gets to see requests: every function of the app from now on says where it stands when it is called. Those of
 * the app itself, such as the request's id and the log, are left out, as are error handlers.
 */
export function watch(app: Express): { readonly entered: Set<string> } {
  const entered = new Set<string>();
  for (const { layer, path, depth, at } of walk(app)) {
    if (depth === 0 && layer.route === undefined) continue;
    const handle = layer.handle;
    if (handle.length > 3) continue;
    layer.handle = Object.assign((req: unknown, res: unknown, next: unknown) => {
      entered.add(layer.route === undefined ? `${path} step ${at}` : `${path} route`);
      return handle(req, res, next);
    });
  }
  return { entered };
}

interface Place {
  readonly layer: Layer;
  readonly path: string;
  /** Routers around it, the app's own not counted. */
  readonly depth: number;
  /** Its place in its router. */
  readonly at: number;
}

function walk(app: Express): Place[] {
  const visit = (stack: readonly Layer[], base: string, depth: number): Place[] =>
    stack.flatMap((layer, at) => {
      const path = layer.rawPath === "/" ? base : base + layer.rawPath;
      const inner = layer.route === undefined ? layer.handle.stack : undefined;
      return inner === undefined ? [{ layer, path: path || "/", depth, at }] : visit(inner, path, depth + 1);
    });
  return visit((app as unknown as { router: { stack: Layer[] } }).router.stack, "", 0);
}
