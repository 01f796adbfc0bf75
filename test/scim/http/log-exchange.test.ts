/** What the provisioning log is told of each request. */
import { beforeEach, expect, it } from "vitest";
import type { Exchange } from "../../../src/db/provisioning-log.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, openDoor, PATCH_OP } from "./door.ts";

describeOnBoth("the provisioning log", (getDb) => {
  const told: Exchange[] = [];
  const door = openDoor(getDb, { provisioningLog: { record: (exchange) => told.push(exchange) } });

  beforeEach(() => {
    told.length = 0;
  });

  /** The answer reaches the client a moment before its end is noted. */
  const noted = async (count: number): Promise<Exchange[]> => {
    while (told.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return told;
  };

  it("is told who asked for what, what was sent and what was answered", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Users", aUser({ userName: "ada" }));
    const [exchange] = await noted(1);
    expect(exchange).toMatchObject({
      tenantId: client.tenantId,
      connection: "test",
      method: "POST",
      path: "/scim/v2/Users",
      status: 201,
      request: { userName: "ada" },
      requestId: answer.headers["x-request-id"],
    });
    expect(exchange?.answer).toEqual(answer.body);
    expect(exchange?.decision).toMatchObject({ status: "active", role: "user", license: { status: "none" } });
    expect(exchange?.durationMs).toBeGreaterThan(0);
    expect(exchange?.tokenId).not.toBeNull();
  });

  it("is told a refusal in the client's own message", async () => {
    const client = await door.tenant();
    const refused = await client.get("/Users?filter=broken");
    const malformed = await client.send("POST", "/Users", "{broken", { "Content-Type": "application/json" });
    const [first, second] = await noted(2);
    expect(first).toMatchObject({ status: 400, path: "/scim/v2/Users?filter=broken" });
    expect(first?.answer).toEqual(refused.body);
    expect(first?.decision).toEqual({ refused: "invalidFilter" });
    expect(second?.answer).toEqual(malformed.body);
  });

  it("is not told the rows of a read, nor the members of a group", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    await client.get("/Users");
    await client.post("/Groups", aGroup({ members: [{ value: id }] }));
    const [, list, group] = await noted(3);
    expect(list).toMatchObject({ status: 200, method: "GET" });
    expect(list?.answer).toBeUndefined();
    expect(group?.answer).toMatchObject({ meta: { resourceType: "Group" } });
    expect(group?.answer).not.toHaveProperty("members");
  });

  it("is told which members were skipped (TEAM-5)", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body.id;
    const nobody = "0198c0de-0000-7000-8000-000000000000";
    const { id } = (await client.post("/Groups", aGroup())).body;
    const members = [{ value: user }, { value: nobody }];
    await client.patch(`/Groups/${id}`, {
      schemas: [PATCH_OP],
      Operations: [{ op: "add", path: "members", value: members }],
    });
    expect((await noted(3))[2]).toMatchObject({ status: 204, decision: { skippedMembers: [nobody] } });
  });

  it("is told nothing of who has no credential: there is no tenant whose log it would be", async () => {
    const client = await door.tenant();
    await client.get("/Users", { Authorization: null });
    await client.get("/Users");
    expect(await noted(1)).toHaveLength(1);
  });
});
