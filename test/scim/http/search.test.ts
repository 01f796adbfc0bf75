/** RFC 7644 §3.4.2.1 and §3.4.3: searches at the server's root, over users and groups together. */
import { beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import {
  aGroup,
  aUser,
  type Client,
  ENTERPRISE_USER,
  ERROR,
  LIST_RESPONSE,
  openDoor,
  SEARCH_REQUEST,
  type Told,
  USHER_GROUP,
  USHER_USER,
} from "./door.ts";
import { recording } from "./many.ts";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";

describeOnBoth("RFC 7644 §3.4.2.1 a search at the root", (getDb) => {
  let db: ReturnType<typeof recording>;
  const door = openDoor(getDb, {
    get db() {
      db ??= recording(getDb());
      return db;
    },
  });
  let client: Client;
  const ids = new Map<string, string>();

  beforeAll(async () => {
    client = await door.tenant();
    const add = async (path: string, name: string, resource: object) => {
      const answer = await client.post(path, resource);
      expect(answer.status).toBe(201);
      ids.set(name, answer.body.id);
    };
    await add("/Users", "ada", aUser({ userName: "ada", displayName: "Delta", externalId: "shared", title: "Lead" }));
    await add("/Groups", "alpha", aGroup({ displayName: "Alpha", members: [{ value: ids.get("ada") }] }));
    await add("/Users", "bob", aUser({ userName: "bob", displayName: "bravo", emails: [{ value: "bob@x.example" }] }));
    await add("/Groups", "gamma", aGroup({ displayName: "Gamma", externalId: "shared" }));
    await add("/Users", "cyd", aUser({ userName: "cyd", [ENTERPRISE_USER]: { department: "Sales" } }));
  });

  const namesOf = ({ body }: Told): string[] => {
    const names = new Map([...ids].map(([name, id]) => [id, name]));
    return body.Resources.map(({ id }: { id: string }) => names.get(id));
  };
  const names = async (query: string): Promise<string[]> => {
    const answer = await client.get(`/?${query}`);
    expect(answer).toMatchObject({ status: 200, body: { totalResults: answer.body.Resources.length } });
    return namesOf(answer);
  };
  const filtered = (filter: string) => names(`filter=${encodeURIComponent(filter)}`);

  it("answers a ListResponse of both types in the order of their creation, each as its own endpoint shows it", async () => {
    const answer = await client.get("/");
    expect(answer).toMatchObject({ status: 200, body: { schemas: [LIST_RESPONSE], totalResults: 5, itemsPerPage: 5 } });
    expect(answer.headers["content-type"]).toContain("application/scim+json");
    expect(namesOf(answer)).toEqual(["ada", "alpha", "bob", "gamma", "cyd"]);
    for (const resource of answer.body.Resources) {
      const { resourceType, location } = resource.meta;
      expect(location).toBe(`${client.baseUrl}/${resourceType}s/${resource.id}`);
      expect((await client.get(`/${resourceType}s/${resource.id}`)).body).toEqual(resource);
    }
  });

  it("is the same without the slash", async () => {
    expect((await client.get("?filter=userName+pr")).body).toEqual((await client.get("/?filter=userName+pr")).body);
  });

  it("answers a POST to .search as the GET, and in other letter case", async () => {
    const message = {
      schemas: [SEARCH_REQUEST],
      filter: "displayName pr",
      sortBy: "displayName",
      startIndex: 2,
      count: 2,
    };
    const got = await client.get("/?filter=displayName+pr&sortBy=displayName&startIndex=2&count=2");
    for (const path of ["/.search", "/.SEARCH", "/.search/"]) {
      const posted = await client.post(path, message);
      expect(posted).toMatchObject({ status: 200, body: { totalResults: 4, startIndex: 2, itemsPerPage: 2 } });
      expect(posted.body).toEqual(got.body);
      expect(posted.headers["content-type"]).toContain("application/scim+json");
    }
  });

  it.each<[string, string[]]>([
    // An attribute that only one type has: of the other no value is there.
    ['userName eq "ADA"', ["ada"]],
    ['userName sw "b"', ["bob"]],
    ["userName pr", ["ada", "bob", "cyd"]],
    ["not (userName pr)", ["alpha", "gamma"]],
    ['userName ne "ada"', ["alpha", "bob", "gamma", "cyd"]],
    ["userName eq null", ["alpha", "gamma"]],
    ["userName ne null", ["ada", "bob", "cyd"]],
    ["members pr", ["alpha"]],
    ["not (members pr)", ["ada", "bob", "gamma", "cyd"]],
    ['members.value ne "x"', ["alpha"]],
    ['members[type eq "User"]', ["alpha"]],
    ['emails[type eq "work" or value co "bob"]', ["bob"]],
    ['emails[value eq "bob@x.example"].value pr', ["bob"]],
    [`${ENTERPRISE_USER}:department eq "sales"`, ["cyd"]],
    [`not (${ENTERPRISE_USER.toUpperCase()}:DEPARTMENT eq "sales")`, ["ada", "alpha", "bob", "gamma"]],
    [`${USHER_GROUP}:team pr`, ["alpha", "gamma"]],
    [`${USHER_USER}:status eq "active"`, ["ada", "bob", "cyd"]],
    ["active eq true", ["ada", "bob", "cyd"]],
    // One that both have, and one that names its type.
    ['displayName co "a"', ["ada", "alpha", "bob", "gamma"]],
    ["displayName pr", ["ada", "alpha", "bob", "gamma"]],
    ['externalId eq "shared"', ["ada", "gamma"]],
    [`${GROUP}:displayName co "a"`, ["alpha", "gamma"]],
    [`${USER}:displayName co "a"`, ["ada", "bob"]],
    [`schemas eq "${GROUP}"`, ["alpha", "gamma"]],
    // "A filter expression using "meta.resourceType" MAY be used to restrict results to one or more" types.
    ['meta.resourceType eq "User"', ["ada", "bob", "cyd"]],
    ['meta.resourceType eq "Group"', ["alpha", "gamma"]],
    ['meta.resourceType ne "Group"', ["ada", "bob", "cyd"]],
    ['META.RESOURCETYPE sw "Gr"', ["alpha", "gamma"]],
    ["(meta.resourceType eq User) or (meta.resourceType eq Group)", ["ada", "alpha", "bob", "gamma", "cyd"]],
    ['meta.resourceType eq "Device"', []],
    ['meta.resourceType eq "User" and meta.resourceType eq "Group"', []],
    ['meta.resourceType eq "Group" and displayName co "m" or title eq "lead"', ["ada", "gamma"]],
    ['meta[resourceType eq "Group" and created pr]', ["alpha", "gamma"]],
    ["meta.resourceType pr", ["ada", "alpha", "bob", "gamma", "cyd"]],
    // One that nobody has matches nothing, as everywhere.
    ['nosuch eq "x"', []],
    ['urn:x:y:z eq "x" or userName eq "bob"', ["bob"]],
    ["nosuch[value pr]", []],
    ["password pr", []],
  ])("filters by %s", async (filter, expected) => {
    expect(await filtered(filter)).toEqual(expected);
  });

  it.each(["userName", "userName eq", 'members[value eq "x"', "active gt true", "title[type pr]"])(
    "refuses the filter %j with 400 invalidFilter",
    async (filter) => {
      const answer = await client.get(`/?filter=${encodeURIComponent(filter)}`);
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidFilter" } });
    },
  );

  it("finds by id whatever has it", async () => {
    for (const name of ["bob", "gamma"]) expect(await filtered(`id eq "${ids.get(name)}"`)).toEqual([name]);
    expect(await filtered('id eq "x"')).toEqual([]);
  });

  it.each<[string, string[]]>([
    ["displayName", ["alpha", "bob", "ada", "gamma", "cyd"]],
    ["displayName&sortOrder=descending", ["cyd", "gamma", "ada", "bob", "alpha"]],
    // Groups have no userName: they come last in ascending order, first in descending.
    ["userName", ["ada", "bob", "cyd", "alpha", "gamma"]],
    ["USERNAME&sortOrder=descending", ["alpha", "gamma", "cyd", "bob", "ada"]],
    [`${USER}:userName`, ["ada", "bob", "cyd", "alpha", "gamma"]],
    [`${GROUP}:displayName`, ["alpha", "gamma", "ada", "bob", "cyd"]],
    [`${ENTERPRISE_USER}:department`, ["cyd", "ada", "alpha", "bob", "gamma"]],
    ["members.value", ["alpha", "ada", "bob", "gamma", "cyd"]],
    ["externalId", ["ada", "gamma", "alpha", "bob", "cyd"]],
    ["meta.created&sortOrder=descending", ["cyd", "gamma", "bob", "alpha", "ada"]],
    ["meta.resourceType", ["alpha", "gamma", "ada", "bob", "cyd"]],
    ["active", ["ada", "bob", "cyd", "alpha", "gamma"]],
    ["id", ["ada", "alpha", "bob", "gamma", "cyd"]],
  ])("sorts by %s", async (sortBy, expected) => {
    expect(await names(`sortBy=${sortBy}`)).toEqual(expected);
    const one: string[] = [];
    for (let startIndex = 1; startIndex <= 5; startIndex++) {
      one.push(...namesOf(await client.get(`/?sortBy=${sortBy}&startIndex=${startIndex}&count=1`)));
    }
    expect(one).toEqual(expected);
  });

  it.each(["nosuch", "name", "addresses", "meta", "password", "urn:x:y"])("refuses to sort by %s", async (sortBy) => {
    const answer = await client.get(`/?sortBy=${sortBy}`);
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    expect(answer.body.detail).toContain("sortBy");
  });

  it.each([
    "",
    "sortBy=displayName",
    "sortBy=userName&sortOrder=descending",
    "sortBy=active",
    "filter=not+(userName+eq+%22ada%22)",
    "filter=displayName+pr&sortBy=displayName&sortOrder=descending",
  ])("pages by cursor over both types: ?%s", async (query) => {
    const whole = (await client.get(`/?${query}`)).body;
    for (const count of [1, 2, 4]) {
      const found: string[] = [];
      let cursor: string | undefined = "";
      while (cursor !== undefined) {
        const message: object = {
          schemas: [SEARCH_REQUEST],
          ...Object.fromEntries(new URLSearchParams(query)),
          count,
          cursor,
        };
        const { status, body }: Told = await client.post("/.search", message);
        expect({ status, body }).toMatchObject({ status: 200, body: { totalResults: whole.totalResults } });
        found.push(...body.Resources.map(({ id }: { id: string }) => id));
        cursor = body.nextCursor;
      }
      expect(found).toEqual(whole.Resources.map(({ id }: { id: string }) => id));
    }
  });

  it.each([
    ["startIndex=6&count=2", [], 6],
    ["startIndex=5&count=3", ["cyd"], 5],
    ["startIndex=0&count=2", ["ada", "alpha"], 1],
    ["count=0", [], 1],
    ["count=-1", [], 1],
    ["filter=displayName+pr&startIndex=4&count=9", ["gamma"], 4],
    ["filter=displayName+pr&startIndex=9", [], 9],
  ])("pages by index over both types: ?%s", async (query, expected, startIndex) => {
    const answer = await client.get(`/?${query}`);
    const totalResults = query.startsWith("filter") ? 4 : 5;
    expect(answer.body).toMatchObject({ totalResults, startIndex, itemsPerPage: expected.length });
    expect(namesOf(answer)).toEqual(expected);
  });

  it("shows of each type what is asked for and what it has", async () => {
    const { body } = await client.get("/?attributes=userName,displayName&count=2");
    expect(body.Resources).toEqual([
      { schemas: expect.arrayContaining([USER]), id: ids.get("ada"), userName: "ada", displayName: "Delta" },
      { schemas: expect.arrayContaining([GROUP]), id: ids.get("alpha"), displayName: "Alpha" },
    ]);
    const without = (await client.get("/?excludedAttributes=members,displayName&count=2")).body.Resources;
    expect(without[0]).toMatchObject({ userName: "ada" });
    expect(without[1]).toMatchObject({ id: ids.get("alpha"), meta: { resourceType: "Group" } });
    for (const resource of without) {
      expect(resource).not.toHaveProperty("members");
      expect(resource).not.toHaveProperty("displayName");
    }
  });

  it.each(["excludedAttributes=members", "attributes=displayName", 'filter=displayName+eq+"alpha"&attributes=id'])(
    "does not read the members that nobody sees: ?%s",
    async (query) => {
      db.ran.length = 0;
      expect((await client.get(`/?${query}`)).status).toBe(200);
      expect(db.ran.filter(({ sql }) => /string_agg/.test(sql))).toEqual([]);
    },
  );

  it.each([
    ["userName eq ada", "groups g"],
    ['meta.resourceType eq "User"', "groups"],
    ['meta.resourceType eq "Group"', "users"],
    ["members pr", "users as u"],
    ['userName co "a" and active eq true', "groups as g"],
    [`meta.resourceType eq "Group" and displayName eq "alpha"`, "users u"],
  ])("does not look at a type of which nothing can match: %s", async (filter, table) => {
    db.ran.length = 0;
    expect((await filtered(filter)).length).toBeGreaterThan(0);
    const reads = db.ran.filter(({ sql }) => new RegExp(`from ${table}\\b`).test(sql) && !/from tokens/.test(sql));
    expect(reads).toEqual([]);
  });

  it("looks one user up with one statement", async () => {
    await client.get("/?filter=userName+eq+ada");
    db.ran.length = 0;
    await client.get("/?filter=userName+eq+ada");
    expect(db.ran).toHaveLength(1);
  });

  it("never shows another tenant's resources", async () => {
    const other = await door.tenant();
    expect((await other.get("/")).body).toMatchObject({ totalResults: 0, Resources: [] });
    expect((await other.get('/?filter=externalId+eq+"shared"')).body.totalResults).toBe(0);
    expect((await other.get(`/?filter=id+eq+"${ids.get("ada")}"`)).body.totalResults).toBe(0);
  });

  it.each([
    ["POST", "/", "GET, HEAD"],
    ["PUT", "/", "GET, HEAD"],
    ["DELETE", "/", "GET, HEAD"],
    ["GET", "/.search", "POST"],
    ["PATCH", "/.search", "POST"],
  ])("answers 405 to %s %s", async (method, path, allow) => {
    const answer = await client.send(method, path, "{}", { "Content-Type": "application/scim+json" });
    expect(answer).toMatchObject({ status: 405, body: { schemas: [ERROR] } });
    expect(answer.headers.allow).toBe(allow);
  });

  it("takes HEAD at the root", async () => {
    const answer = await client.send("HEAD", "/?filter=userName+pr");
    expect(answer.status).toBe(200);
    expect(answer.text).toBe("");
  });

  it("asks who is there before anything else", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["POST", "/.search"],
    ] as const) {
      const answer = await client.send(method, path, method === "POST" ? "not json" : undefined, {
        Authorization: null,
      });
      expect(answer.status).toBe(401);
    }
  });

  describe("a message to .search", () => {
    it.each([
      ["no message at all", "", 400],
      ["no JSON", "{", 400],
      ["a list", "[]", 400],
      ["no schema", "{}", 400],
      ["the schema of a list", JSON.stringify({ schemas: [LIST_RESPONSE] }), 400],
      ["more than anybody asks", JSON.stringify({ schemas: [SEARCH_REQUEST], filter: "a".repeat(70_000) }), 413],
    ])("is refused: %s", async (_, body, status) => {
      const answer = await client.send("POST", "/.search", body, { "Content-Type": "application/scim+json" });
      expect(answer.status).toBe(status);
    });

    it("may say nothing but its schema", async () => {
      expect((await client.post("/.search", { schemas: [SEARCH_REQUEST] })).body.totalResults).toBe(5);
    });
  });
});
