/** RFC 7644 §3.4.2: querying, and §3.4.3: the same by POST. */
import { beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, type Client, ENTERPRISE_USER, LIST_RESPONSE, openDoor, SEARCH_REQUEST } from "./door.ts";
import { makeMany } from "./many.ts";

describeOnBoth("RFC 7644 §3.4.2 querying", (getDb) => {
  const door = openDoor(getDb);
  let client: Client;
  const ids: string[] = [];

  beforeAll(async () => {
    client = await door.tenant();
    const people = [
      {
        userName: "Ada",
        title: "Lead",
        active: true,
        externalId: "X1",
        displayName: "Ada L",
        emails: [{ value: "Ada@one.example", type: "work" }],
      },
      {
        userName: "bob",
        title: "lead",
        active: false,
        externalId: "x1",
        emails: [{ value: "bob@two.example", type: "home" }],
      },
      { userName: "Cleo", title: "Agent", [ENTERPRISE_USER]: { department: "Sales" } },
      { userName: "dora" },
      { userName: "Eve", name: { familyName: 'O\'Neil "quoted" 100%_' } },
    ];
    for (const person of people) ids.push((await client.post("/Users", aUser(person))).body.id);
    await client.post("/Groups", aGroup({ displayName: "Sales", externalId: "g1", members: [{ value: ids[0] }] }));
    await client.post("/Groups", aGroup({ displayName: "support" }));
  });

  const names = async (query: string): Promise<string[]> => {
    const answer = await client.get(`/Users?${query}`);
    expect(answer.status).toBe(200);
    return answer.body.Resources.map((user: { userName: string }) => user.userName);
  };
  const filtered = (filter: string) => names(`filter=${encodeURIComponent(filter)}`);

  it("answers a ListResponse with whole numbers, in the order of creation", async () => {
    const { body } = await client.get("/Users");
    expect(body).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 5, startIndex: 1, itemsPerPage: 5 });
    expect(body.Resources.map((user: { id: string }) => user.id)).toEqual(ids);
    expect(body.Resources[0]).toEqual((await client.get(`/Users/${ids[0]}`)).body);
  });

  it.each([
    ["startIndex=1&count=2", [0, 1], 1],
    ["startIndex=3&count=2", [2, 3], 3],
    ["startIndex=5&count=2", [4], 5],
    ["startIndex=6&count=2", [], 6],
    ["startIndex=1000000000000", [], 1_000_000_000_000],
    ["count=0", [], 1],
    ["count=-3", [], 1],
    ["startIndex=0&count=1", [0], 1],
    ["startIndex=-9&count=1", [0], 1],
    ["startIndex=-999999999999999&count=2", [0, 1], 1],
    ["startIndex=&count=", [0, 1, 2, 3, 4], 1],
    ["startIndex=2&count=0", [], 2],
    ["startIndex=6&count=0", [], 6],
    ["startindex=2&COUNT=1", [1], 2],
  ])("pages with %s", async (query, places, startIndex) => {
    const { body } = await client.get(`/Users?${query}`);
    expect(body).toMatchObject({ totalResults: 5, startIndex, itemsPerPage: places.length });
    expect(body.Resources.map((user: { id: string }) => user.id)).toEqual(places.map((place) => ids[place]));
  });

  it("pages a filtered list alike, with the total of the filter", async () => {
    const { body } = await client.get("/Users?filter=userName+pr&startIndex=2&count=2");
    expect(body).toMatchObject({ totalResults: 5, startIndex: 2, itemsPerPage: 2 });
    expect((await client.get("/Users?filter=userName+pr&startIndex=9")).body).toMatchObject({
      totalResults: 5,
      Resources: [],
    });
    expect((await client.get("/Users?filter=userName+eq+%22ada%22&count=0")).body).toMatchObject({
      totalResults: 1,
      Resources: [],
    });
    expect((await client.get("/Users?filter=userName+eq+%22ada%22&startIndex=2")).body).toMatchObject({
      totalResults: 1,
      Resources: [],
    });
    expect((await client.get("/Users?filter=title+eq+%22nobody%22")).body).toMatchObject({
      totalResults: 0,
      Resources: [],
    });
  });

  it("knows the total after a write of its own at once", async () => {
    const own = await door.tenant();
    expect((await own.get("/Users?count=1")).body.totalResults).toBe(0);
    const { id } = (await own.post("/Users", aUser())).body;
    expect((await own.get("/Users?count=1")).body.totalResults).toBe(1);
    await own.delete(`/Users/${id}`);
    expect((await own.get("/Users?count=1")).body.totalResults).toBe(0);
  });

  it.each([
    ['userName eq "ADA"', ["Ada"]],
    ['USERNAME EQ "ada"', ["Ada"]],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada"', ["Ada"]],
    ['externalId eq "X1"', ["Ada"]],
    ['externalId eq "x1"', ["bob"]],
    ['displayName eq "ada l"', ["Ada"]],
    ['title eq "LEAD"', ["Ada", "bob"]],
    ['title ne "lead"', ["Cleo", "dora", "Eve"]],
    ['userName sw "c"', ["Cleo"]],
    ['userName ew "O"', ["Cleo"]],
    ['userName co "o"', ["bob", "Cleo", "dora"]],
    ['userName gt "Cleo"', ["dora", "Eve"]],
    ["title pr", ["Ada", "bob", "Cleo"]],
    ["not (title pr)", ["dora", "Eve"]],
    ["active eq false", ["bob"]],
    ['active eq "False"', ["bob"]],
    ['emails.value eq "ada@ONE.example"', ["Ada"]],
    ['emails eq "ada@one.example"', ["Ada"]],
    ['emails[type eq "work" and value co "@one"]', ["Ada"]],
    ['emails[type eq "home" and value co "@one"]', []],
    ['emails[type eq "home"].value eq "BOB@two.example"', ["bob"]],
    [`${ENTERPRISE_USER}:department eq "sales"`, ["Cleo"]],
    ['title eq "lead" and active eq true', ["Ada"]],
    ['title eq "Agent" or userName eq "dora"', ["Cleo", "dora"]],
    ['(title eq "Agent" or userName eq "dora") and not (userName eq "cleo")', ["dora"]],
    ['name.familyName eq "o\'neil \\"quoted\\" 100%_"', ["Eve"]],
    ['name.familyName co "%_"', ["Eve"]],
    ['name.familyName co "1_0"', []],
    ["userName eq ada", ["Ada"]],
    ['nosuch eq "x"', []],
    ['meta.lastModified ge "0001-01-03T00:00:00.0000000Z"', ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ['meta.created gt "2999-01-01T00:00:00Z"', []],
    ["userName eq \"x' or '1'='1\"", []],
  ])("filters by %s", async (filter, expected) => {
    expect(await filtered(filter)).toEqual(expected);
  });

  it("finds by id, exactly, and by a reference", async () => {
    expect(await filtered(`id eq "${ids[2]}"`)).toEqual(["Cleo"]);
    expect(await filtered('id eq "not-an-id"')).toEqual([]);
    const group = (await client.get('/Groups?filter=displayName+eq+"sales"')).body.Resources[0];
    expect(group.members).toEqual([expect.objectContaining({ value: ids[0] })]);
    const has = await client.get(`/Groups?filter=id+eq+"${group.id}"+and+members+eq+"${ids[0]}"&attributes=id`);
    expect(has.body.Resources).toEqual([{ schemas: expect.any(Array), id: group.id }]);
    expect((await client.get(`/Groups?filter=id+eq+"${group.id}"+and+members+eq+"${ids[1]}"`)).body.totalResults).toBe(
      0,
    );
    expect(await filtered(`groups.value eq "${group.id}"`)).toEqual(["Ada"]);
  });

  it.each(["sales", "SALES"])("finds the group %s by displayName and by externalId", async (name) => {
    const answer = await client.get(`/Groups?excludedAttributes=members&filter=displayName+eq+"${name}"`);
    expect(answer.body).toMatchObject({ totalResults: 1, Resources: [{ displayName: "Sales", externalId: "g1" }] });
    expect((await client.get('/Groups?filter=externalId+eq+"g1"')).body.totalResults).toBe(1);
    expect((await client.get('/Groups?filter=externalId+eq+"G1"')).body.totalResults).toBe(0);
  });

  it("lists groups, paged, with and without members", async () => {
    const { body } = await client.get("/Groups?startIndex=1&count=100");
    expect(body).toMatchObject({ totalResults: 2, itemsPerPage: 2 });
    expect(body.Resources.map((group: { members: unknown[] }) => group.members.length)).toEqual([1, 0]);
    expect((await client.get("/Groups?startIndex=2&count=5")).body.Resources).toEqual([
      expect.objectContaining({ displayName: "support" }),
    ]);
  });

  it.each([
    ["userName", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ["USERNAME&sortOrder=descending", ["Eve", "dora", "Cleo", "bob", "Ada"]],
    ["title", ["Cleo", "Ada", "bob", "dora", "Eve"]],
    ["name.familyName&sortOrder=ascending", ["Eve", "Ada", "bob", "Cleo", "dora"]],
    [`${ENTERPRISE_USER}:department`, ["Cleo", "Ada", "bob", "dora", "Eve"]],
    ["meta.created&sortOrder=descending", ["Eve", "dora", "Cleo", "bob", "Ada"]],
    ["NAME.FAMILYNAME&sortOrder=DESCENDING", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ["urn:ietf:params:scim:schemas:core:2.0:user:USERNAME", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    [`${ENTERPRISE_USER.toLowerCase()}:DEPARTMENT&sortOrder=descending`, ["Ada", "bob", "dora", "Eve", "Cleo"]],
    // A list stands where its primary element does, else its first; an element where its value does.
    ["emails", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ["emails.value&sortOrder=descending", ["Cleo", "dora", "Eve", "bob", "Ada"]],
    ["emails.type", ["bob", "Ada", "Cleo", "dora", "Eve"]],
    ["active&sortOrder=", ["bob", "Ada", "Cleo", "dora", "Eve"]],
    ["externalId", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ["nickName&sortOrder=descending", ["Ada", "bob", "Cleo", "dora", "Eve"]],
    ["&sortOrder=descending", ["Ada", "bob", "Cleo", "dora", "Eve"]],
  ])("sorts by %s, those without a value last", async (sortBy, expected) => {
    expect(await names(`sortBy=${sortBy}`)).toEqual(expected);
  });

  it("sorts by the primary element of a list before its first", async () => {
    const own = await door.tenant();
    const make = async (...emails: object[]) => (await own.post("/Users", aUser({ emails }))).body.id;
    const last = await make({ value: "a@x.example" }, { value: "z@x.example", primary: true });
    const first = await make({ value: "b@x.example" }, { value: "a@x.example" });
    const none = (await own.post("/Users", aUser())).body.id;
    const sorted = async (query: string) =>
      (await own.get(`/Users?sortBy=${query}`)).body.Resources.map((user: { id: string }) => user.id);
    expect(await sorted("emails")).toEqual([first, last, none]);
    expect(await sorted("emails&sortOrder=descending")).toEqual([none, last, first]);
    // RFC 7644 §3.4.2.3 knows no order among those without a value, but pages need one.
    expect(await sorted("title&sortOrder=descending")).toEqual([last, first, none]);
  });

  it.each(["name", "addresses", "meta", "NAME", `${ENTERPRISE_USER}`, "emails.nosuch", "members", "a.b.c"])(
    "does not sort by %s, which has no order, and says so",
    async (sortBy) => {
      const answer = await client.get(`/Users?sortBy=${sortBy}`);
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
      expect(answer.body.detail).toContain("sortBy");
    },
  );

  it("does not know a third direction", async () => {
    const answer = await client.get("/Users?sortBy=userName&sortOrder=up");
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
  });

  it.each(["nosuch", "password", "constructor", "userName;drop table users", "(select 1)"])(
    "does not sort by %j, and is unharmed",
    async (sortBy) => {
      const answer = await client.get(`/Users?sortBy=${encodeURIComponent(sortBy)}`);
      expect([200, 400]).toContain(answer.status);
      expect((await client.get("/Users")).body.totalResults).toBe(5);
    },
  );

  it.each([
    "RUNSCOPE@EXAMPLE.COM",
    "userName",
    "userName eq",
    "()",
    "emails[]",
    'userName eq "a" and',
    "title pr pr",
    'a..b eq "1"',
    "not",
  ])("refuses the filter %j with 400 invalidFilter", async (filter) => {
    const answer = await client.get(`/Users?filter=${encodeURIComponent(filter)}`);
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidFilter" } });
  });

  it("never shows another tenant's resources", async () => {
    const other = await door.tenant();
    expect((await other.get('/Users?filter=userName+eq+"ada"')).body.totalResults).toBe(0);
    expect((await other.get("/Groups")).body.totalResults).toBe(0);
    expect((await other.get(`/Users?filter=id+eq+"${ids[0]}"`)).body.totalResults).toBe(0);
  });

  describe("by POST to .search", () => {
    it("answers as the GET does", async () => {
      const message = {
        schemas: [SEARCH_REQUEST],
        filter: 'title eq "lead"',
        attributes: ["userName"],
        startIndex: 1,
        count: 1,
      };
      const posted = await client.post("/Users/.search", message);
      expect(posted.status).toBe(200);
      const got = await client.get("/Users?filter=title+eq+%22lead%22&attributes=userName&startIndex=1&count=1");
      expect(posted.body).toEqual(got.body);
      expect(posted.body).toMatchObject({ totalResults: 2, itemsPerPage: 1 });
    });

    it("finds groups", async () => {
      const message = { schemas: [SEARCH_REQUEST], filter: 'displayName eq "sales"', excludedAttributes: ["members"] };
      expect((await client.post("/Groups/.search", message)).body).toMatchObject({ totalResults: 1 });
    });
  });
});

describeOnBoth("RFC 7644 §3.4.2.4 pages of a long list", (getDb) => {
  const door = openDoor(getDb);
  let client: Client;

  beforeAll(async () => {
    client = await door.tenant();
    await makeMany(getDb(), client.tenantId, { users: 620, groups: 120 });
  });

  it.each([
    ["", 100],
    ["?count=500", 500],
    ["?count=501", 500],
    ["?count=999999999999999", 500],
    ["?startIndex=601&count=500", 20],
    ["?startIndex=621&count=500", 0],
    ["?sortBy=userName&count=501", 500],
    ["?filter=active+eq+true&count=501", 500],
  ])("has %s: as many as are asked for, allowed and there", async (query, itemsPerPage) => {
    const { body } = await client.get(`/Users${query}`);
    expect(body).toMatchObject({ totalResults: 620, itemsPerPage });
    expect(body.Resources).toHaveLength(itemsPerPage);
  });

  it.each([
    ["/Users", "", 620],
    ["/Users", "sortBy=title", 620],
    ["/Users", "sortBy=title&sortOrder=descending&filter=active+eq+true", 620],
    ["/Users", "filter=title+eq+%22t3%22", 89],
    ["/Groups", "sortBy=displayName", 120],
    ["/", "sortBy=displayName", 740],
  ])("of %s?%s hold together everything once, in one order", async (path, query, total) => {
    const seen: string[] = [];
    for (let startIndex = 1; startIndex <= total; startIndex += 150) {
      const { body } = await client.get(`${path}?${query}&startIndex=${startIndex}&count=150`);
      expect(body).toMatchObject({ totalResults: total, startIndex });
      seen.push(...body.Resources.map(({ id }: { id: string }) => id));
    }
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
  });
});
