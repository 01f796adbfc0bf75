/** RFC 9865: paging by cursor. */
import { beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import {
  aGroup,
  aUser,
  type Client,
  ENTERPRISE_USER,
  LIST_RESPONSE,
  openDoor,
  SEARCH_REQUEST,
  type Told,
} from "./door.ts";
import { makeMany, planOf, recording } from "./many.ts";

interface Listed {
  readonly id: string;
}

/** All pages, from an empty cursor to the page that names no next one. */
async function pagesOf(client: Client, path: string, query: string): Promise<Told["body"][]> {
  const pages: Told["body"][] = [];
  for (let cursor = ""; ; cursor = pages.at(-1).nextCursor) {
    const answer = await client.get(`${path}?${query}&cursor=${cursor}`);
    expect(answer).toMatchObject({ status: 200, body: { schemas: [LIST_RESPONSE] } });
    pages.push(answer.body);
    if (answer.body.nextCursor === undefined) return pages;
    expect(pages.length).toBeLessThan(100);
  }
}

const idsOf = (pages: readonly Told["body"][]): string[] =>
  pages.flatMap((page) => page.Resources.map(({ id }: Listed) => id));

describeOnBoth("RFC 9865 paging by cursor", (getDb) => {
  let offsetMs = 0;
  const door = openDoor(getDb, { clock: () => new Date(Date.now() + offsetMs) });
  let client: Client;
  const ids: string[] = [];

  beforeAll(async () => {
    client = await door.tenant();
    const titles = ["Lead", "lead", undefined, "Agent", undefined, "Boss", "Äbtissin"];
    for (const [i, title] of titles.entries()) {
      const user = aUser({
        userName: `${"gcafbde"[i]}-user`,
        ...(title === undefined ? {} : { title }),
        active: i % 2 === 0,
        name: { familyName: i < 3 ? "Same" : `Name ${i}` },
        emails: [
          { value: `first-${i}@x.example`, type: "home" },
          { value: `${9 - i}@x.example`, type: "work", primary: i > 2 },
        ],
        [ENTERPRISE_USER]: { employeeNumber: `${i * 7}` },
      });
      ids.push((await client.post("/Users", user)).body.id);
    }
    for (const displayName of ["beta", "Alpha", "delta"]) {
      await client.post("/Groups", aGroup({ displayName, members: [{ value: ids[0] }] }));
    }
  });

  describe.each([
    "",
    "sortBy=userName",
    "sortBy=USERNAME&sortOrder=descending",
    "sortBy=title",
    "sortBy=title&sortOrder=descending",
    "sortBy=name.familyName",
    "sortBy=name.familyName&sortOrder=descending",
    "sortBy=emails",
    "sortBy=emails.type&sortOrder=descending",
    "sortBy=active",
    "sortBy=id&sortOrder=descending",
    "sortBy=meta.created&sortOrder=descending",
    "sortBy=meta.lastModified",
    "sortBy=nickName",
    "sortBy=nickName&sortOrder=descending",
    `sortBy=${ENTERPRISE_USER}:employeeNumber`,
    "filter=title+pr",
    "filter=userName+co+%22user%22&sortBy=title&sortOrder=descending",
    "filter=not+(title+pr)&sortBy=userName",
  ])("of the list ?%s", (query) => {
    it.each([1, 2, 3, 7, 500])("gives what index paging gives, %i at a time", async (count) => {
      const whole = (await client.get(`/Users?${query}`)).body;
      const pages = await pagesOf(client, "/Users", `${query}&count=${count}`);
      expect(idsOf(pages)).toEqual(whole.Resources.map(({ id }: Listed) => id));
      expect(pages).toHaveLength(Math.ceil(whole.totalResults / count));
      for (const page of pages) {
        expect(page).toMatchObject({ totalResults: whole.totalResults, itemsPerPage: page.Resources.length });
        expect(page).not.toHaveProperty("startIndex");
        expect(page).not.toHaveProperty("previousCursor");
        // RFC 9865 §2, Table 1: "characters from the unreserved characters set".
        if (page.nextCursor !== undefined) expect(page.nextCursor).toMatch(/^[\w.~-]+$/);
      }
    });
  });

  it.each(["", "sortBy=displayName", "sortBy=displayName&sortOrder=descending", "filter=members+pr"])(
    "pages groups alike: ?%s",
    async (query) => {
      const whole = (await client.get(`/Groups?${query}`)).body.Resources.map(({ id }: Listed) => id);
      expect(idsOf(await pagesOf(client, "/Groups", `${query}&count=1`))).toEqual(whole);
      const [bare] = await pagesOf(client, "/Groups", `${query}&excludedAttributes=members`);
      expect(bare.Resources[0]).not.toHaveProperty("members");
    },
  );

  it("starts with a cursor that has no value at all", async () => {
    const { body } = await client.get("/Users?cursor&count=2");
    expect(body).toMatchObject({ itemsPerPage: 2, totalResults: 7, nextCursor: expect.any(String) });
  });

  it("pages by POST, with the cursor in the message", async () => {
    const message = { schemas: [SEARCH_REQUEST], filter: "title pr", sortBy: "title", count: 3 };
    const first = await client.post("/Users/.search", { ...message, cursor: "" });
    expect(first).toMatchObject({ status: 200, body: { itemsPerPage: 3, totalResults: 5 } });
    const second = await client.post("/Users/.search", { ...message, cursor: first.body.nextCursor });
    expect(second.body).toMatchObject({ itemsPerPage: 2, totalResults: 5 });
    expect(second.body).not.toHaveProperty("nextCursor");
    const byGet = await pagesOf(client, "/Users", "filter=title+pr&sortBy=title&count=3");
    expect(idsOf([first.body, second.body])).toEqual(idsOf(byGet));
    expect((await client.post("/Users/.search", { ...message, cursor: null })).body).toHaveProperty("startIndex");
    const wrong = await client.post("/Users/.search", { ...message, cursor: 1 });
    expect(wrong).toMatchObject({ status: 400, body: { scimType: "invalidCursor" } });
  });

  it("stays with index paging where nobody asks for a cursor", async () => {
    const { body } = await client.get("/Users?count=2");
    expect(body).toMatchObject({ startIndex: 1, itemsPerPage: 2 });
    expect(body).not.toHaveProperty("nextCursor");
  });

  it("gives no next cursor where a look-up has found all there is", async () => {
    const { body } = await client.get('/Users?cursor=&filter=userName+eq+"A-USER"');
    expect(body).toMatchObject({ totalResults: 1, itemsPerPage: 1, Resources: [{ id: ids[2] }] });
    expect(body).not.toHaveProperty("nextCursor");
    expect((await client.get('/Users?cursor=&filter=userName+eq+"nobody"')).body).toMatchObject({ totalResults: 0 });
  });

  it("continues a look-up that finds more than a page", async () => {
    const own = await door.tenant();
    for (let i = 0; i < 3; i++) await own.post("/Users", aUser({ externalId: "shared" }));
    const pages = await pagesOf(own, "/Users", 'filter=externalId+eq+"shared"&count=2');
    expect(pages.map(({ itemsPerPage, totalResults }) => [itemsPerPage, totalResults])).toEqual([
      [2, 3],
      [1, 3],
    ]);
  });

  it("takes a filter for the same in other letter case of its names, as in the example of RFC 9865 §2", async () => {
    const { nextCursor } = (await client.get("/Users?filter=userName+co+%22user%22&cursor&count=3")).body;
    const next = await client.get(`/Users?filter=USERNAME+CO+%22user%22&cursor=${nextCursor}&count=3`);
    expect(next).toMatchObject({ status: 200, body: { itemsPerPage: 3 } });
  });

  it("lets the next page show other attributes, which change nothing about who comes next", async () => {
    const { nextCursor } = (await client.get("/Users?cursor&count=3&attributes=userName")).body;
    const next = await client.get(`/Users?cursor=${nextCursor}&attributes=title`);
    expect(next.body.Resources[0]).not.toHaveProperty("userName");
  });

  describe("a cursor that this list has not given", () => {
    const query = "filter=title+pr&sortBy=title&count=2";
    const place = `/Users?${query}`;
    const text =
      "The cursor is not one that this list, with this filter and in this order, has given. Begin with an empty cursor.";
    const expectRefusal = (answer: Told) =>
      expect(answer).toMatchObject({ status: 400, body: { status: "400", scimType: "invalidCursor", detail: text } });
    let cursor: string;
    beforeAll(async () => {
      cursor = (await client.get(`${place}&cursor=`)).body.nextCursor;
    });

    it.each<[string, (cursor: string) => string]>([
      ["one that never was", () => "x"],
      ["a dot", () => "."],
      ["dots", () => "..."],
      ["no signature", (cursor) => cursor.slice(0, cursor.indexOf("."))],
      ["an empty signature", (cursor) => cursor.slice(0, cursor.indexOf(".") + 1)],
      ["the signature alone", (cursor) => cursor.slice(cursor.indexOf("."))],
      ["a cut signature", (cursor) => cursor.slice(0, -1)],
      ["another last character", (cursor) => cursor.slice(0, -1) + (cursor.endsWith("A") ? "B" : "A")],
      ["something behind", (cursor) => `${cursor}=`],
      ["something in front", (cursor) => `A${cursor}`],
      ["another letter case", (cursor) => cursor.toUpperCase()],
      ["two of them", (cursor) => `${cursor}${cursor}`],
      ["a space", (cursor) => `${cursor}%20`],
      ["a NUL", (cursor) => `${cursor}%00`],
      ["broken UTF-8", () => "%ff%fe"],
      ["a very long one", () => "a".repeat(12_000)],
      ["another page size inside", (cursor) => changed(cursor, (words) => words.with(1, "500"))],
      ["a later end inside", (cursor) => changed(cursor, ([end, ...rest]) => [String(Number(end) + 9e6), ...rest])],
    ])("is refused: %s", async (_, change) => {
      expectRefusal(await client.get(`${place}&cursor=${change(cursor)}`));
    });

    it.each([
      ["another filter", "/Users?filter=userName+pr&sortBy=title&count=2"],
      ["no filter", "/Users?sortBy=title&count=2"],
      ["another value in the filter", '/Users?filter=title+co+"x"&sortBy=title&count=2'],
      ["another order", "/Users?filter=title+pr&sortBy=userName&count=2"],
      ["no order", "/Users?filter=title+pr&count=2"],
      ["the other direction", `${place}&sortOrder=descending`],
      ["groups", "/Groups?filter=displayName+pr&sortBy=displayName&count=2"],
      ["groups of the same words", `/Groups?filter=externalId+pr&sortBy=externalId&count=2`],
      ["the root", `/?${query}`],
    ])("is refused in the same words: that of another list, here %s", async (_, path) => {
      expectRefusal(await client.get(`${path}&cursor=${cursor}`));
    });

    it("is refused in the same words: another tenant's", async () => {
      const other = await door.tenant();
      for (const title of ["a", "b", "c"]) await other.post("/Users", aUser({ title }));
      const theirs = (await other.get(`${place}&cursor=`)).body.nextCursor;
      expectRefusal(await client.get(`${place}&cursor=${theirs}`));
      expectRefusal(await other.get(`${place}&cursor=${cursor}`));
      expect((await other.get(`${place}&cursor=${theirs}`)).body.itemsPerPage).toBe(1);
    });

    it("is still refused in the same words when it is too old besides", async () => {
      offsetMs = 3_601_000;
      try {
        expectRefusal(await client.get(`/Users?sortBy=title&count=2&cursor=${cursor}`));
      } finally {
        offsetMs = 0;
      }
    });

    it("is refused: two in one request", async () => {
      const answer = await client.get(`${place}&cursor=&cursor=${cursor}`);
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidCursor" } });
    });
  });

  it("is good for an hour and then expired", async () => {
    const { nextCursor } = (await client.get("/Users?cursor=&count=2")).body;
    try {
      offsetMs = 3_590_000;
      expect((await client.get(`/Users?count=2&cursor=${nextCursor}`)).status).toBe(200);
      offsetMs = 3_601_000;
      const late = await client.get(`/Users?count=2&cursor=${nextCursor}`);
      expect(late).toMatchObject({ status: 400, body: { scimType: "expiredCursor" } });
    } finally {
      offsetMs = 0;
    }
  });

  it.each(["startIndex=1", "startIndex=3", "STARTINDEX=0"])("does not go together with %s", async (index) => {
    const answer = await client.get(`/Users?cursor=&${index}`);
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    expect(answer.body.detail).toContain("cursor");
  });

  it("goes together with a startIndex that says nothing", async () => {
    expect((await client.get("/Users?cursor=&startIndex=")).status).toBe(200);
    const message = { schemas: [SEARCH_REQUEST], cursor: "", startIndex: null };
    expect((await client.post("/Users/.search", message)).status).toBe(200);
  });

  describe("the count (RFC 9865 §2.1, Table 3)", () => {
    it.each([
      ["0", 0],
      ["-5", 0],
      ["500", 7],
      ["", 7],
    ])("of the first page may be %j", async (count, itemsPerPage) => {
      const { body, status } = await client.get(`/Users?cursor=&count=${count}`);
      expect({ status, body }).toMatchObject({ status: 200, body: { itemsPerPage, totalResults: 7 } });
      expect(body).not.toHaveProperty("nextCursor");
    });

    it("of the first page lies within the maximum", async () => {
      for (const count of ["501", "1000", "999999999999999"]) {
        const answer = await client.get(`/Users?cursor=&count=${count}`);
        expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidCount" } });
        expect(answer.body.detail).toContain("500");
      }
    });

    it.each(["two", "1.5", "1e2", "9999999999999999"])("is a whole number, unlike %s", async (count) => {
      const answer = await client.get(`/Users?cursor=&count=${count}`);
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidCount" } });
      const byIndex = await client.get(`/Users?count=${count}`);
      expect(byIndex).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    });

    it("of a following page is that of the first, or left to us", async () => {
      const { nextCursor } = (await client.get("/Users?cursor=&count=2")).body;
      for (const same of ["&count=2", "", "&count=", "&count=1000"]) {
        const { body, status } = await client.get(`/Users?cursor=${nextCursor}${same}`);
        expect({ status, body }).toMatchObject({ status: 200, body: { itemsPerPage: 2 } });
      }
      for (const other of ["1", "3", "0", "-1", "500"]) {
        const answer = await client.get(`/Users?cursor=${nextCursor}&count=${other}`);
        expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidCount" } });
        expect(answer.body.detail).toContain("2");
      }
    });
  });

  it.each(["", "sortBy=userName", "sortBy=title&sortOrder=descending", 'filter=userName+sw+"p"'])(
    "shows nobody twice and skips nobody who was there throughout, while others come and go: ?%s",
    async (query) => {
      const own = await door.tenant();
      const stay: string[] = [];
      const go: string[] = [];
      for (let i = 0; i < 24; i++) {
        const user = aUser({ userName: `p${(i * 7) % 24}`, ...(i % 4 === 0 ? {} : { title: `T${(i * 5) % 3}` }) });
        const { id } = (await own.post("/Users", user)).body;
        (i % 3 === 1 ? go : stay).push(id);
      }
      const seen: string[] = [];
      for (let cursor: string | undefined = "", turn = 0; cursor !== undefined; turn++) {
        const { body }: Told = await own.get(`/Users?${query}&count=4&cursor=${cursor}`);
        expect(body.totalResults).toBe(24);
        seen.push(...body.Resources.map(({ id }: Listed) => id));
        cursor = body.nextCursor;
        // Of the deleted, some were shown already, one of them as the last of its page, and some were not.
        const last = seen.at(-1);
        const gone = go.includes(last as string) ? last : go.find((id) => !seen.includes(id));
        if (gone !== undefined) {
          await own.delete(`/Users/${gone}`);
          go.splice(go.indexOf(gone), 1);
        }
        await own.post("/Users", aUser({ userName: `p${turn % 24}-new`, title: `T${turn % 3}` }));
        await own.post("/Users", aUser({ userName: `p-${turn}` }));
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(stay.filter((id) => !seen.includes(id))).toEqual([]);
    },
  );

  it("shows nobody twice and skips nobody while others write at the same time", async () => {
    const own = await door.tenant();
    const stay: string[] = [];
    for (let i = 0; i < 30; i++) stay.push((await own.post("/Users", aUser({ userName: `s${i}` }))).body.id);
    let paging = true;
    const churn = async (name: string) => {
      for (let i = 0; paging; i++) {
        const { id } = (await own.post("/Users", aUser({ userName: `s${i % 30}-${name}` }))).body;
        if (i % 3 > 0) await own.delete(`/Users/${id}`);
      }
    };
    const writers = ["a", "b"].map(churn);
    try {
      for (const query of ["count=4", "count=3&sortBy=userName", "count=5&sortBy=userName&sortOrder=descending"]) {
        const seen = idsOf(await pagesOf(own, "/Users", query));
        expect(new Set(seen).size).toBe(seen.length);
        expect(stay.filter((id) => !seen.includes(id))).toEqual([]);
      }
    } finally {
      paging = false;
      await Promise.all(writers);
    }
  });

  it("fits into a URL however long the value is that it stands at, and loses nobody among equal beginnings", async () => {
    const own = await door.tenant();
    const title = "\u{1F600}".repeat(2_000);
    for (const end of ["c", "a", "b"])
      await own.post("/Users", aUser({ title: title + end, userName: "\u{1F601}".repeat(255) + end }));
    for (const sortBy of ["title", "userName"]) {
      const pages = await pagesOf(own, "/Users", `sortBy=${sortBy}&count=1`);
      expect(new Set(idsOf(pages)).size).toBe(3);
      for (const { nextCursor = "" } of pages) expect(nextCursor.length).toBeLessThan(1_500);
      expect(idsOf(pages)).toEqual(
        (await own.get(`/Users?sortBy=${sortBy}`)).body.Resources.map(({ id }: Listed) => id),
      );
    }
  });

  it("stands at values of every kind of character", async () => {
    const own = await door.tenant();
    const titles = [
      "a\nb",
      "\n",
      " ",
      '"',
      "\u0001",
      "ü",
      "\u{10ffff}",
      "'; drop table users; --",
      "%",
      "\\",
      "ﬁ",
      "a b c d e",
    ];
    for (const title of titles) await own.post("/Users", aUser({ title }));
    const pages = await pagesOf(own, "/Users", "sortBy=title&count=1");
    expect(pages).toHaveLength(titles.length);
    expect(new Set(idsOf(pages)).size).toBe(titles.length);
  });
});

/** The cursor with other words in its text, under the signature that it had. */
function changed(cursor: string, change: (words: string[]) => readonly string[]): string {
  const [payload = "", signature] = cursor.split(".");
  const [head = "", ...key] = Buffer.from(payload, "base64url").toString().split("\n");
  const text = [change(head.split(" ")).join(" "), ...key].join("\n");
  return `${Buffer.from(text).toString("base64url")}.${signature}`;
}

describeOnBoth("what a page by cursor costs", (getDb) => {
  let db: ReturnType<typeof recording>;
  const door = openDoor(getDb, {
    get db() {
      db ??= recording(getDb());
      return db;
    },
  });
  let client: Client;

  beforeAll(async () => {
    client = await door.tenant();
    await makeMany(getDb(), client.tenantId, { users: 3_000, groups: 1_000 });
  });

  /** What is asked of the database for the sixth page. */
  async function ranForDeepPage(path: string, query: string) {
    let cursor = "";
    for (let page = 0; page < 6; page++) {
      db.ran.length = 0;
      const answer = await client.get(`${path}?${query}&count=${path === "/Groups" ? 20 : 100}&cursor=${cursor}`);
      expect(answer.status).toBe(200);
      cursor = answer.body.nextCursor;
    }
    return db.ran;
  }

  it.each([
    ["/Users", "", /Index (Only )?Scan using users_pkey/, /Index Cond: .*id > /],
    ["/Users", "sortBy=userName", /using users_tenant_id_user_name_norm_key/, /Index Cond: .*user_name_norm >= /],
    [
      "/Users",
      "sortBy=userName&sortOrder=descending",
      /Backward using users_tenant_id_user_name_norm_key/,
      /Index Cond: .*user_name_norm <= /,
    ],
    [
      "/Groups",
      "sortBy=displayName",
      /using groups_tenant_id_display_name_norm_key/,
      /Index Cond: .*display_name_norm >= /,
    ],
    ["/Users", "filter=active+eq+true", /Index (Only )?Scan using users_pkey/, /Index Cond: .*id > /],
    ["/", "", /Index (Only )?Scan using users_pkey/, /Index Cond: .*id > /],
  ])("begins where the page before ended: %s?%s", async (path, query, index, condition) => {
    const ran = await ranForDeepPage(path, query);
    const page = ran.find(({ sql }) => /order by/.test(sql) && !sql.includes("$2::uuid[]"));
    const plan = await planOf(getDb(), page!);
    expect(plan).toMatch(index);
    expect(plan).toMatch(condition);
    expect(plan).not.toMatch(/Seq Scan on (users|groups)/);
    // The total is carried along.
    expect(ran.filter(({ sql }) => sql.includes("count(*) as total"))).toEqual([]);
  });

  it("counts a filtered list on its first page only", async () => {
    db.ran.length = 0;
    const first = await client.get('/Users?filter=title+eq+"T1"&count=100&cursor=');
    expect(db.ran.filter(({ sql }) => sql.includes("count(*)"))).toHaveLength(1);
    db.ran.length = 0;
    const next = await client.get(`/Users?filter=title+eq+"T1"&count=100&cursor=${first.body.nextCursor}`);
    expect(next.body.totalResults).toBe(first.body.totalResults);
    expect(db.ran.filter(({ sql }) => sql.includes("count(*)"))).toEqual([]);
  });
});
