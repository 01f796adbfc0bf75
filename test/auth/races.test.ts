import { AsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { authenticate } from "../../src/auth/authenticate.ts";
import type { Transaction } from "../../src/db/database.ts";
import { removeToken } from "../../src/db/tokens.ts";
import { mintToken } from "../../src/provisioning/tokens.ts";
import { changeAccess } from "../../src/provisioning/users.ts";
import { aTenant, type Server, startServer, type TestTenant } from "../admin/api.ts";
import { describeOnPostgres } from "../helpers/database.ts";

describeOnPostgres("GRD-9: authority is read under lock, in the deciding transaction", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
  });

  /** Runs `first` in a transaction that stays open while `second` starts; commits; gives what became of `second`. */
  async function overtake(
    first: (tx: Transaction) => Promise<unknown>,
    second: () => Promise<unknown>,
  ): Promise<string> {
    // Bound out here: inside, the database itself refuses to be used beside its transaction.
    const begin = AsyncResource.bind(() =>
      second().then(
        () => "done",
        (error) => error.code ?? String(error),
      ),
    );
    const result = await server.deps.db.transaction(async (tx) => {
      await first(tx);
      const overtaken = begin();
      await sleep(150);
      return { overtaken };
    });
    return await result.overtaken;
  }

  const asPerson = async (userId: string) => {
    const minted = await mintToken(server.deps, tenant.ctx, { label: "own", scopes: ["api"], role: "admin", userId });
    const principal = await authenticate(server.deps, `Bearer ${minted.token}`);
    return { minted, ctx: { ...tenant.ctx, principal } };
  };

  it("a token that is being revoked mints nothing any more", async () => {
    const { minted, ctx } = await asPerson((await anAdmin("revoked@example.com")).id);
    const mint = () => mintToken(server.deps, ctx, { label: "late", scopes: ["api"], role: "admin" });
    expect(await overtake((tx) => removeToken(tx, tenant.id, minted.id), mint)).toBe("forbidden");
  });

  it("a person who is being demoted mints nothing any more", async () => {
    await anAdmin("other@example.com");
    const { id } = await anAdmin("demoted@example.com");
    const { ctx } = await asPerson(id);
    const demote = (tx: Transaction) =>
      tx.query(
        {
          name: "test_demote",
          text: "update users set role = 'user', role_source = 'default' where tenant_id = $1 and id = $2",
        },
        [tenant.id, id],
      );
    const mint = () => mintToken(server.deps, ctx, { label: "late", scopes: ["api"], role: "admin" });
    expect(await overtake(demote, mint)).toBe("forbidden");
  });

  async function anAdmin(userName: string) {
    const user = await tenant.user({ userName });
    return await changeAccess(server.deps, tenant.ctx, user.id, { role: "admin" });
  }
});
