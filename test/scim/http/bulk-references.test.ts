/** RFC 7644 §3.7.1 and §3.7.2: references between the operations of a Bulk. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { bulk, type Ended, idOf, post, statuses } from "./bulk.ts";
import { aGroup, aUser, type Client, ENTERPRISE_USER, openDoor, PATCH_OP } from "./door.ts";

const nobody = "0198c0de-0000-7000-8000-000000000000";

const managed = (by: string, change: object = {}) =>
  aUser({ ...change, [ENTERPRISE_USER]: { employeeNumber: "1", manager: { value: by } } });
const grouping = (...members: string[]) => aGroup({ members: members.map((value) => ({ value })) });

describeOnBoth("RFC 7644 §3.7.2 bulkId", (getDb) => {
  const door = openDoor(getDb);

  const membersOf = async (client: Client, ended: Ended | undefined): Promise<string[]> => {
    const { members = [] } = (await client.get(`/Groups/${idOf(ended)}`)).body;
    return members.map(({ value }: { value: string }) => value);
  };
  const managerOf = async (client: Client, ended: Ended | undefined): Promise<string | undefined> =>
    (await client.get(`/Users/${idOf(ended)}`)).body[ENTERPRISE_USER]?.manager?.value;
  const count = async (client: Client, endpoint: string): Promise<number> =>
    (await client.get(`${endpoint}?count=0`)).body.totalResults;

  it("puts a user created in the request into a group created in it", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Users", "qwerty", aUser({ userName: "Alice" })),
      post("/Groups", "ytrewq", aGroup({ members: [{ type: "User", value: "bulkId:qwerty" }] })),
    ]);
    expect(statuses(ended)).toEqual(["201", "201"]);
    expect(await membersOf(client, ended[1])).toEqual([idOf(ended[0])]);
  });

  it("finds what is created further down, and answers in the request's order", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Groups", "outer", grouping("bulkId:inner")),
      post("/Groups", "inner", grouping("bulkId:user")),
      post("/Users", "user", managed("bulkId:boss")),
      post("/Users", "boss", aUser()),
    ]);
    expect(ended.map(({ bulkId, status }) => [bulkId, status])).toEqual([
      ["outer", "201"],
      ["inner", "201"],
      ["user", "201"],
      ["boss", "201"],
    ]);
    expect(await membersOf(client, ended[0])).toEqual([idOf(ended[1])]);
    expect(await membersOf(client, ended[1])).toEqual([idOf(ended[2])]);
    expect(await managerOf(client, ended[2])).toBe(idOf(ended[3]));
    // Created once each: nothing was tried before its time.
    expect([await count(client, "/Users"), await count(client, "/Groups")]).toEqual([2, 2]);
  });

  it("lets two users manage each other, and three in a ring", async () => {
    const client = await door.tenant({ settings: { requireIfMatch: true } });
    const ended = await bulk(client, [
      post("/Users", "a", managed("bulkId:b", { title: "A" })),
      post("/Users", "b", managed("bulkId:a")),
      post("/Users", "x", managed("bulkId:y")),
      post("/Users", "y", managed("bulkId:z")),
      post("/Users", "z", managed("bulkId:x")),
      post("/Groups", "g", grouping("bulkId:a", "bulkId:z")),
    ]);
    expect(statuses(ended)).toEqual(Array(6).fill("201"));
    const [a, b, x, y, z, g] = ended;
    expect([await managerOf(client, a), await managerOf(client, b)]).toEqual([idOf(b), idOf(a)]);
    expect([await managerOf(client, x), await managerOf(client, y), await managerOf(client, z)]).toEqual([
      idOf(y),
      idOf(z),
      idOf(x),
    ]);
    expect((await membersOf(client, g)).sort()).toEqual([idOf(a), idOf(z)].sort());
    for (const [at, bulkId] of ["a", "b", "x"].entries()) {
      const read = (await client.get(`/Users/${idOf(ended.find((one) => one.bulkId === bulkId))}`)).body;
      expect([at, read[ENTERPRISE_USER].employeeNumber]).toEqual([at, "1"]);
      expect(ended.find((one) => one.bulkId === bulkId)).toMatchObject({
        version: read.meta.version,
        location: read.meta.location,
      });
    }
  });

  it("closes a circle of a user and the group that the user names: what is read-only of it is ignored", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Groups", "g", grouping("bulkId:u")),
      post("/Users", "u", aUser({ groups: [{ value: "bulkId:g" }] })),
    ]);
    expect(statuses(ended)).toEqual(["201", "201"]);
    expect(await membersOf(client, ended[0])).toEqual([idOf(ended[1])]);
  });

  it("undoes groups nested in a circle (TEAM-5), and tells whose fault it was", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Users", "u", aUser()),
      post("/Groups", "a", grouping("bulkId:b", "bulkId:u")),
      post("/Groups", "b", grouping("bulkId:c")),
      post("/Groups", "c", grouping("bulkId:a")),
      post("/Groups", "d", grouping("bulkId:u")),
      post("/Groups", "e", grouping("bulkId:c")),
    ]);
    expect(statuses(ended)).toEqual(["201", "400", "400", "400", "201", "400"]);
    const details = ended.map(({ response }) => response?.detail ?? "");
    expect(details.filter((detail) => detail.includes("nesting would close a circle"))).toHaveLength(1);
    expect(details.filter((detail) => /bulkId:[abc] cannot be resolved/.test(detail))).toHaveLength(3);
    expect(ended[5]?.response).toMatchObject({ scimType: "invalidValue", detail: expect.stringContaining("bulkId:c") });
    for (const one of ended.filter(({ status }) => status === "400")) expect(one).not.toHaveProperty("location");
    expect(await count(client, "/Groups")).toBe(1);
  });

  it("leaves nothing of a circle whose create is refused", async () => {
    const client = await door.tenant();
    await client.post("/Users", aUser({ userName: "taken" }));
    const ended = await bulk(client, [
      post("/Users", "a", managed("bulkId:b")),
      post("/Users", "b", managed("bulkId:c", { userName: "taken" })),
      post("/Users", "c", managed("bulkId:a")),
    ]);
    expect(statuses(ended)).toEqual(["400", "409", "400"]);
    expect(ended[0]?.response.detail).toContain("bulkId:b");
    expect(await count(client, "/Users")).toBe(1);
  });

  it("resolves references in paths, and in the filters of PATCH paths", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      {
        method: "PATCH",
        path: "/Groups/bulkId:g",
        data: patch({ op: "add", path: "members", value: [{ value: "bulkId:b" }] }),
      },
      post("/Groups", "g", grouping("bulkId:a")),
      post("/Users", "a", aUser()),
      post("/Users", "b", aUser()),
      {
        method: "PATCH",
        path: "/Groups/bulkId%3Ag",
        data: patch({ op: "remove", path: 'members[value eq "bulkId:a"]' }),
      },
      { method: "PUT", path: `${client.baseUrl}/Users/bulkId:a`, data: aUser({ userName: "renamed" }) },
      { method: "DELETE", path: "/Users/bulkId:b" },
    ]);
    expect(statuses(ended)).toEqual(["204", "201", "201", "201", "204", "200", "204"]);
    expect(ended[0]?.location).toBe(ended[1]?.location);
    expect(ended[6]?.location).toBe(ended[3]?.location);
    expect(await membersOf(client, ended[1])).toEqual([]);
    expect((await client.get(`/Users/${idOf(ended[2])}`)).body.userName).toBe("renamed");
  });

  it("takes a bulkId for what it is, whole: 1 is not 10, and text that contains one is text", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Users", "1", aUser({ userName: "one" })),
      post("/Users", "10", aUser({ userName: "ten", title: "see bulkId:1", nickName: "bulkid:1" })),
      post("/Groups", "g", grouping("bulkId:10", "bulkId:1")),
      post("/Users", "bulkId:1", managed("bulkId:1")),
      post("/Users", "q", managed('bulkId:"q')),
      post("/Users", '"q', aUser()),
    ]);
    expect(statuses(ended)).toEqual(Array(6).fill("201"));
    const [one, ten, group, nested, quoting, quote] = ended;
    expect((await membersOf(client, group)).sort()).toEqual([idOf(one), idOf(ten)].sort());
    expect((await client.get(`/Users/${idOf(ten)}`)).body).toMatchObject({
      title: "see bulkId:1",
      nickName: "bulkid:1",
    });
    expect(await managerOf(client, nested)).toBe(idOf(one));
    expect(await managerOf(client, quoting)).toBe(idOf(quote));
  });

  it.each([
    ["itself", [post("/Users", "a", managed("bulkId:a"))], "bulkId:a", "itself"],
    ["nothing", [post("/Users", "a", managed("bulkId:none"))], "bulkId:none", "no POST"],
    ["an empty bulkId", [post("/Users", "a", managed("bulkId:"))], "bulkId:", "no POST"],
    ["what is not created here", [{ method: "DELETE", path: "/Users/bulkId:none" }], "bulkId:none", "no POST"],
    [
      "an operation that changes",
      [post("/Users", "a", managed("bulkId:b")), { method: "DELETE", bulkId: "b", path: `/Users/${nobody}` }],
      "bulkId:b",
      "no POST",
    ],
    ["a failed create", [post("/Users", "a", managed("bulkId:b")), post("/Users", "b", {})], "bulkId:b", "failed"],
    [
      "what cannot be read",
      [post("/Users", "a", managed("bulkId:b")), post("/Nothing", "b", {})],
      "bulkId:b",
      "failed",
    ],
    [
      "one of two",
      [post("/Users", "a", managed("bulkId:b")), post("/Users", "b", aUser()), post("/Users", "b", aUser())],
      "bulkId:b",
      "2 operations",
    ],
  ] as const)("refuses a reference to %s, saying which", async (_what, operations, token, why) => {
    const client = await door.tenant();
    const [refused] = await bulk(client, operations);
    expect(refused).toMatchObject({ status: "400", response: { status: "400", scimType: "invalidValue" } });
    expect(refused?.response.detail).toContain(`The reference ${token} cannot be resolved: `);
    expect(refused?.response.detail).toContain(why);
  });

  it("fails whoever refers to what failed, however far, and nobody else", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [
      post("/Users", "a", managed("bulkId:b")),
      post("/Users", "b", managed("bulkId:c")),
      post("/Users", "c", { userName: "" }),
      post("/Users", "d", aUser()),
      { method: "PATCH", path: "/Users/bulkId:a", data: patch({ op: "add", path: "title", value: "x" }) },
    ]);
    expect(statuses(ended)).toEqual(["400", "400", "400", "201", "400"]);
    expect(ended[0]?.response.detail).toContain("bulkId:b");
    expect(ended[1]?.response.detail).toContain("bulkId:c");
    expect(ended[4]?.response.detail).toContain("bulkId:a");
  });

  it("tolerates a bulkId that is repeated, as Entra's own sample does, where nobody refers to it", async () => {
    const client = await door.tenant();
    const ended = await bulk(client, [post("/Users", "same", aUser()), post("/Users", "same", aUser())]);
    expect(ended.map(({ bulkId, status }) => [bulkId, status])).toEqual([
      ["same", "201"],
      ["same", "201"],
    ]);
  });

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"])(
    "takes %s for a bulkId like any other, and for none where there is none",
    async (name) => {
      const client = await door.tenant();
      const named = await bulk(client, [post("/Users", name, aUser()), post("/Users", "b", managed(`bulkId:${name}`))]);
      expect(statuses(named)).toEqual(["201", "201"]);
      expect(await managerOf(client, named[1])).toBe(idOf(named[0]));
      const [unnamed] = await bulk(client, [post("/Users", "b", managed(`bulkId:${name}`))]);
      expect(unnamed).toMatchObject({ status: "400", response: { scimType: "invalidValue" } });
      expect({}).not.toHaveProperty("manager");
    },
  );

  it("closes a circle of 400 users who each name all the others, were it in attributes that nobody knows", async () => {
    const client = await door.tenant();
    const names = Array.from({ length: 400 }, (_, at) => `u${at}`);
    const others = (name: string) => names.filter((one) => one !== name).map((one) => `bulkId:${one}`);
    const ended = await bulk(
      client,
      names.map((name) => post("/Users", name, managed(others(name)[0] ?? "", { buddies: others(name) }))),
    );
    expect(new Set(statuses(ended))).toEqual(new Set(["201"]));
    expect(await managerOf(client, ended[0])).toBe(idOf(ended[1]));
    expect(await managerOf(client, ended[399])).toBe(idOf(ended[0]));
  }, 90_000);

  it("follows a chain of 1,000 references, told from its end", async () => {
    const client = await door.tenant();
    const chain = Array.from({ length: 1_000 }, (_, at) =>
      post("/Users", `u${at}`, at === 999 ? aUser() : managed(`bulkId:u${at + 1}`)),
    );
    const ended = await bulk(client, chain);
    expect(new Set(statuses(ended))).toEqual(new Set(["201"]));
    expect(await managerOf(client, ended[0])).toBe(idOf(ended[1]));
    expect(await managerOf(client, ended[998])).toBe(idOf(ended[999]));
  }, 60_000);
});

function patch(operation: object): object {
  return { schemas: [PATCH_OP], Operations: [operation] };
}
