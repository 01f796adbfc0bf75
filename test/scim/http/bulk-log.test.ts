/** What the provisioning log keeps of a Bulk. */
import { beforeEach, expect, it } from "vitest";
import { type Exchange, openProvisioningLog } from "../../../src/db/provisioning-log.ts";
import { redact } from "../../../src/db/redaction.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { eventually } from "../../helpers/races.ts";
import { bulk, post, sendBulk } from "./bulk.ts";
import { aGroup, aUser, openDoor, PATCH_OP } from "./door.ts";

describeOnBoth("the provisioning log of a Bulk", (getDb) => {
  const told: Exchange[] = [];
  const door = openDoor(getDb, { provisioningLog: { record: (exchange) => told.push(exchange) } });

  beforeEach(() => {
    told.length = 0;
  });

  async function noted(): Promise<Exchange> {
    await eventually(async () => told.length > 0);
    expect(told).toHaveLength(1);
    return told[0]!;
  }

  it("has one entry: the operations without their data, their ends counted, failures with their reasons", async () => {
    const client = await door.tenant();
    await bulk(client, [
      post("/Users", "a", aUser({ userName: "ada" })),
      post("/Groups", "g", aGroup({ displayName: "Group", members: [{ value: "bulkId:a" }] })),
      { method: "DELETE", path: "/Users/nobody" },
    ]);
    expect(await noted()).toMatchObject({ method: "POST", path: "/scim/v2/Bulk", status: 200 });
    expect(told[0]?.request).toEqual({
      operations: 3,
      Operations: [
        { method: "POST", path: "/Users", bulkId: "a", name: "ada" },
        { method: "POST", path: "/Groups", bulkId: "g", name: "Group" },
        { method: "DELETE", path: "/Users/nobody" },
      ],
    });
    expect(told[0]?.answer).toEqual({
      statuses: { 201: 2, 404: 1 },
      failed: [
        {
          method: "DELETE",
          path: "/Users/nobody",
          status: 404,
          code: "notFound",
          detail: expect.stringContaining("nobody"),
        },
      ],
    });
  });

  it("keeps no password, wherever in an operation it stands", async () => {
    const client = await door.tenant();
    const secret = "hunter2-hunter2";
    await bulk(client, [
      post("/Users", "a", aUser({ userName: "ada", password: secret })),
      post("/Users", "b", { "urn:ietf:params:scim:schemas:core:2.0:User": { password: secret } }),
      {
        method: "PATCH",
        path: "/Users/bulkId:a",
        data: { schemas: [PATCH_OP], Operations: [{ op: "replace", path: "password", value: secret }] },
      },
      { method: "PUT", path: "/Users/bulkId:a", data: { PASSWORD: secret } },
    ]);
    expect(JSON.stringify(await noted())).not.toContain(secret);
  });

  it("keeps nothing of a request that was refused whole but the refusal", async () => {
    const client = await door.tenant();
    const operations = Array.from({ length: 1_001 }, () => post("/Users", "a", aUser({ password: "hunter2-hunter2" })));
    await sendBulk(client, operations);
    expect((await noted()).request).toBeUndefined();
    expect(told[0]).toMatchObject({ status: 413, answer: { status: "413" }, decision: { refused: "payloadTooLarge" } });
  });

  it("is bounded, however many operations there are and whatever they are called", async () => {
    const client = await door.tenant();
    const long = "x".repeat(900);
    const operations = Array.from({ length: 1_000 }, () => ({
      method: "DELETE",
      path: `/Users/${long}`,
      bulkId: long,
      data: { userName: long },
    }));
    await bulk(client, operations);
    const { request, answer } = await noted();
    expect(request).toMatchObject({ operations: 1_000 });
    expect(answer).toMatchObject({ statuses: { 404: 1_000 } });
    for (const kept of [request, answer]) expect(redact(kept)).not.toContain('"cut":true');
  });

  it("is found by the name of somebody in it", async () => {
    const client = await door.tenant();
    const log = openProvisioningLog(getDb());
    await bulk(client, [post("/Users", "a", aUser({ userName: "ada@example.com" }))]);
    log.record(await noted());
    await log.close();
    const { build } = getDb();
    const [row] = await getDb().run<{ request: object }>(
      build.selectFrom("provisioning_log").select("request").where("tenant_id", "=", client.tenantId),
    );
    expect(JSON.stringify(row?.request)).toContain("ada@example.com");
  });
});
