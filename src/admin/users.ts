/** Tag users: people, what was decided about them and why. */
import { type OwnTeams, requireReach } from "../auth/authority.ts";
import {
  countUsers,
  readUserPage,
  type UserListFilter,
  type UserListPosition,
  type UserOrder,
} from "../db/user-list.ts";
import { findUserAccounts } from "../db/users.ts";
import { explainUser } from "../provisioning/explain.ts";
import { requireWithin } from "../provisioning/own-teams.ts";
import { changePerson, deletePerson, type PersonChange } from "../provisioning/profile.ts";
import { getAccount } from "../provisioning/users.ts";
import { pageOf, readPage } from "./cursor.ts";
import type { Call, Handlers } from "./operation.ts";
import { showUser, showUsers } from "./user-shape.ts";

export const userHandlers: Handlers = {
  async listUsers(call) {
    const { db } = call.deps;
    const { tenantId } = call.ctx.principal;
    const { sort = "userName", order = "asc", cursor: _cursor, limit: _limit, ...filters } = call.query;
    const filter = within(filters as UserListFilter, await requireReach(call.deps, call.ctx, "users.read"));
    const wanted = { by: sort as UserOrder["by"], descending: order === "desc" };
    // Counted once for a list, however many pages it has: counting reads everybody who matches.
    let total = pageOf<ListPosition>(call).after?.total;
    const read = async (after: ListPosition | null, limit: number) => {
      const page = await readUserPage(db, tenantId, filter, after, limit, wanted);
      total ??= page.total ?? (await countUsers(db, tenantId, filter));
      return [...page.rows];
    };
    const { rows, nextCursor } = await readPage(call, read, (row) => ({ ...row, total: total ?? 0 }));
    const accounts = await findUserAccounts(
      db,
      tenantId,
      rows.map(({ id }) => id),
    );
    return { body: { users: await showUsers(call, accounts), total, nextCursor } };
  },

  async getUser(call) {
    await requireVisible(call);
    return { body: await showUser(call, await getAccount(call.deps, call.ctx, call.params.id!)) };
  },

  async changeUser(call) {
    const { deps, ctx, params, body } = call;
    return { body: await showUser(call, await changePerson(deps, ctx, params.id!, body as PersonChange)) };
  },

  async deleteUser(call) {
    await deletePerson(call.deps, call.ctx, call.params.id!);
    return {};
  },

  async explainUser(call) {
    await requireVisible(call);
    return { body: await explainUser(call.deps, call.ctx, call.params.id!) };
  },
};

/** A cursor carries the total of its list, as it was when the first page was read. */
interface ListPosition extends UserListPosition {
  readonly total?: number;
}

/** E-8: who sees the people of their own teams finds no others, whatever else the list is filtered by. */
function within(filter: UserListFilter, reach: OwnTeams | null): UserListFilter {
  return reach === null ? filter : { ...filter, within: reach.of };
}

async function requireVisible({ deps, ctx, params }: Call): Promise<void> {
  const reach = await requireReach(deps, ctx, "users.read");
  await requireWithin(deps.db, ctx.principal.tenantId, reach, params.id!);
}
