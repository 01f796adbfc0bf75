/** Invitations as stored: the digest of the secret, who invited and how often. When they end is said by the user's row. */
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

const write: Statement = {
  name: "invitations_write",
  text: `insert into invitations (tenant_id, user_id, digest, invited_by, invited_at) values ($1, $2, $3, $4, $5)
    on conflict (tenant_id, user_id) do update set digest = excluded.digest, invited_by = excluded.invited_by,
      invited_at = excluded.invited_at, sends = invitations.sends + 1
    returning sends`,
};

export interface InvitationWrite {
  readonly tenantId: string;
  readonly userId: string;
  readonly digest: Uint8Array;
  readonly by: Actor;
  readonly at: string;
}

/** Writes the invitation; one that was there before is worth nothing from then on. Returns how often one was sent. */
export async function writeInvitation(executor: Executor, invitation: InvitationWrite): Promise<number> {
  const { tenantId, userId, digest, by, at } = invitation;
  const [row] = await executor.query<{ sends: number }>(write, [tenantId, userId, digest, JSON.stringify(by), at]);
  return row?.sends ?? 1;
}

const find: Statement = {
  name: "invitations_find",
  text: "select digest from invitations where tenant_id = $1 and user_id = $2",
};

/** The digest of the secret that accepts; undefined where nobody of this id is invited. */
export async function findInvitationDigest(
  executor: Executor,
  tenantId: string,
  userId: string,
): Promise<Uint8Array | undefined> {
  return (await executor.query<{ digest: Uint8Array }>(find, [tenantId, userId]))[0]?.digest;
}

const remove: Statement = {
  name: "invitations_remove",
  text: "delete from invitations where tenant_id = $1 and user_id = $2",
};

/** Uses the invitation up. Callers hold the lock of the user's row, and have looked at the digest under it. */
export async function removeInvitation(executor: Executor, tenantId: string, userId: string): Promise<void> {
  await executor.query(remove, [tenantId, userId]);
}
