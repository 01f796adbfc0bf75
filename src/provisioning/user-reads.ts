/** One user as it is read. */
import { findUser, findUserView, type StoredUser, type UserAccount, type UserView } from "../db/users.ts";
import { isUuid } from "../ids.ts";
import type { Deps, RequestContext } from "./context.ts";
import { noUser } from "./user-steps.ts";

/** One user as a client sees it. Problem: notFound. */
export async function getUser(deps: Deps, ctx: RequestContext, id: string): Promise<UserView> {
  const view = isUuid(id) ? await findUserView(deps.db, ctx.principal.tenantId, id) : undefined;
  if (view === undefined) throw noUser(id);
  return view;
}

/** One user as the management side sees it. Problem: notFound. */
export async function getAccount(deps: Deps, ctx: RequestContext, id: string): Promise<UserAccount> {
  return (await readUser(deps, ctx, id)).view;
}

/** The facts of a decision and what a caller sees. Problem: notFound. */
export async function readUser(deps: Deps, ctx: RequestContext, id: string): Promise<StoredUser> {
  const stored = isUuid(id) ? await findUser(deps.db, ctx.principal.tenantId, id) : undefined;
  if (stored === undefined) throw noUser(id);
  return stored;
}
