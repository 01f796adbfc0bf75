/**
 * Values that no honest client sends: text that no database holds, numbers that no double holds, members given twice, ids
 * of any shape. Each gets a clear 4xx or finds nothing, soon, and the next request of anybody is served as before. Wrong types
 * are in hostile-types.test.ts, broken messages in hostile-wire.test.ts, what parsers meet in test/security/par.test.ts.
 */
import { expect, it } from "vitest";
import { ENTERPRISE_USER, PATCH_OP, USHER_USER } from "../../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { laySiege } from "../../helpers/siege.ts";

const SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const encoded = encodeURIComponent;

describeOnBoth("hostile text", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api, access } = siege;

  const unstorable = ["\\u0000", "a\\u0000b", "\\ud800", "\\udc00\\ud800", "x\\udfff"];
  const places: readonly ((text: string) => string)[] = [
    (text) => `{"userName":"${text}"}`,
    (text) => `{"userName":"t","externalId":"${text}"}`,
    (text) => `{"userName":"t","title":"${text}"}`,
    (text) => `{"userName":"t","name":{"givenName":"${text}"}}`,
    (text) => `{"userName":"t","emails":[{"value":"a@b.c","type":"${text}"}]}`,
    (text) => `{"userName":"t","emails":["${text}"]}`,
    (text) => `{"userName":"t","password":"${text}aA1!xxxxxxxx"}`,
    (text) => `{"userName":"t","${ENTERPRISE_USER}":{"manager":"${text}"}}`,
    (text) => `{"userName":"t","${USHER_USER}":{"role":"${text}"}}`,
    (text) => `{"userName":"t","nosuch":{"deep":["${text}"]}}`,
  ];

  it.each(unstorable)("%s in a value is 400 at every place of a user, and nothing is made", async (text) => {
    for (const place of places) {
      const { status, json } = await scim("POST", "/Users", place(text));
      expect([place(text), status, json.scimType]).toEqual([place(text), 400, "invalidValue"]);
      expect((await scim("PUT", `/Users/${siege.victim.userId}`, place(text))).status).toBe(400);
      const inPatch = `{"Operations":[{"op":"add","value":${place(text)}}]}`;
      expect((await scim("PATCH", `/Users/${siege.victim.userId}`, inPatch)).status).toBe(400);
    }
    for (const body of [`{"displayName":"${text}"}`, `{"displayName":"x","members":[{"value":"${text}"}]}`]) {
      expect((await scim("POST", "/Groups", body)).status).toBe(400);
      expect((await scim("PUT", `/Groups/${siege.victim.groupId}`, body)).status).toBe(400);
    }
    expect((await scim("GET", "/Users?count=0")).json.totalResults).toBe(1);
  });

  it.each(unstorable)(
    "%s as the name of a member, as an operation or a path is refused or says nothing",
    async (text) => {
      for (const body of [`{"userName":"n","${text}":1}`, `{"userName":"n","name":{"${text}":"x"}}`]) {
        const { status, json } = await scim("POST", "/Users", body);
        expect([201, 400]).toContain(status);
        if (status === 201) await scim("DELETE", `/Users/${json.id}`);
      }
      for (const operation of [
        `"op":"${text}","path":"title"`,
        `"op":"add","path":"${text}"`,
        `"op":"add","path":"emails[value eq \\"${text}\\"]"`,
      ]) {
        const body = `{"Operations":[{${operation},"value":"x"}]}`;
        expect((await scim("PATCH", `/Users/${siege.victim.userId}`, body)).status).toBe(400);
        expect((await scim("PATCH", `/Groups/${siege.victim.groupId}`, body)).status).toBe(400);
      }
    },
  );

  it.each(unstorable)("%s in a filter finds nothing or is 400, raw or as an escape", async (text) => {
    for (const attribute of [
      "userName",
      "title",
      "emails.value",
      "externalId",
      "id",
      "meta.created",
      "groups.display",
      "nosuch",
    ]) {
      for (const op of ["eq", "co", "sw", "gt"]) {
        const filter = `${attribute} ${op} "${text}"`;
        const asked = [
          await scim("GET", `/Users?filter=${encoded(filter)}`),
          await scim("POST", "/Users/.search", { schemas: [SEARCH_REQUEST], filter }),
          await scim(
            "POST",
            "/Users/.search",
            `{"schemas":["${SEARCH_REQUEST}"],"filter":"${attribute} ${op} \\"${text}\\""}`,
          ),
        ];
        for (const { status, json } of asked) {
          expect([200, 400]).toContain(status);
          if (status === 200) expect(json.totalResults).toBe(0);
        }
      }
    }
    for (const bytes of ["%00", "%ed%a0%80", "%ff", "%c0%80", "%f8%88%80%80%80"]) {
      for (const name of ["filter", "sortBy", "attributes", "excludedAttributes", "count", "nosuch", bytes]) {
        await scim("GET", `/Users?${name}=${name === "filter" ? "userName+eq+%22" : ""}${bytes}%22`);
      }
    }
  });

  it.each(unstorable)("%s in the management API and in access evaluation is 400", async (text) => {
    expect((await api("POST", "/tokens", `{"label":"${text}","scopes":["scim"]}`)).status).toBe(400);
    expect((await api("POST", "/roles", `{"key":"k","name":"${text}","rank":1,"permissions":[]}`)).status).toBe(400);
    const question = `{"subject":{"type":"userName","id":"${text}"},"action":{"name":"sign-in"}}`;
    expect((await access(question)).status).toBe(400);
    for (const path of ["/users?q=%00", "/users?team=%00", "/events?subject=%00", "/provisioning-log?subject=%00"]) {
      expect([200, 400], path).toContain((await api("GET", path)).status);
    }
  });

  it("text of every other kind is kept to the letter", async () => {
    const texts = [
      "\u0001\u001f\u007f",
      "\u2028\u2029",
      "\ufeff x",
      "👩‍👩‍👧‍👦",
      "e\u0301",
      "\u202Eabc",
      "ﬀ",
      "İıſ",
      "𝔘𝔫𝔦",
      "\ufffd\ufffe\uffff",
      " ",
      "\t\r\n",
    ];
    for (const title of texts) {
      const { json } = await scim("POST", "/Users", { userName: `text-${texts.indexOf(title)}`, title });
      expect(json.title).toBe(title);
      const { json: found } = await scim("GET", `/Users?filter=${encoded(`title eq ${JSON.stringify(title)}`)}`);
      expect(
        found.Resources.map(({ id }: { id: string }) => id),
        JSON.stringify(title),
      ).toEqual([json.id]);
      await scim("DELETE", `/Users/${json.id}`);
    }
  });

  it.each([
    ["userName", 1_100, 400],
    ["title", 5_000, 400],
    ["title", 900_000, 400],
    ["externalId", 5_000, 400],
    ["nickName", 4_096, 201],
    ["nosuch", 900_000, 201],
  ])("%s of %d characters is %d", async (attribute, length, status) => {
    const { json, ...answer } = await scim("POST", "/Users", { userName: "long", [attribute]: "x".repeat(length) });
    expect(answer.status).toBe(status);
    if (status === 201) await scim("DELETE", `/Users/${json.id}`);
  });
});

describeOnBoth("hostile numbers", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;
  const budget = (limit: string) => `{"userName":"rich","${USHER_USER}":{"budget":{"limit":${limit}}}}`;

  it.each([
    "9007199254740993",
    "1e400",
    "-1e400",
    "1e308",
    "123456789012345678901234567890",
    '"9e999"',
    '"0x10"',
    '"1_000"',
    '"NaN"',
    "true",
    '"Infinity"',
  ])("%s is no amount: 400", async (number) => {
    const { status, json } = await scim("POST", "/Users", budget(number));
    expect([status, json.scimType]).toEqual([400, "invalidValue"]);
    expect(json.detail).toContain("budget.limit");
  });

  it.each([
    ["-0", 0],
    ["0.1", 0.1],
    ["1e3", 1000],
    ["9007199254740991", 9007199254740991],
    ["1.0", 1],
    ["1e-400", 0],
    ["5e-324", 5e-324],
    ['"12.50"', 12.5],
  ])("%s is the amount %d, written and read", async (number, amount) => {
    const { status, json, text } = await scim("POST", "/Users", budget(number));
    expect(status, text).toBe(201);
    expect(text).not.toContain('"limit":-0');
    expect(json[USHER_USER].budget.limit).toBe(amount);
    expect((await scim("GET", `/Users/${json.id}`)).json[USHER_USER].budget.limit).toBe(amount);
    await scim("DELETE", `/Users/${json.id}`);
  });

  it.each(["01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "-", "1e", "--1", "1_000"])(
    "%s is no JSON: 400",
    async (number) => {
      const { status, json } = await scim("POST", "/Users", budget(number));
      expect([status, json.scimType]).toEqual([400, "invalidSyntax"]);
    },
  );

  it.each([
    "9007199254740993",
    "1e400",
    "-0",
    "-1",
    "1e2",
    "0.5",
    "99999999999999999999",
    "0x10",
    "１０",
    "",
    " ",
    "null",
    "NaN",
    "+5",
    "1,2",
  ])("%j as startIndex and count is a position in a list or 400", async (number) => {
    for (const name of ["startIndex", "count"]) {
      const { status, json } = await scim("GET", `/Users?${name}=${encoded(number)}`);
      if (status === 200) expect(json).toMatchObject({ totalResults: 1, itemsPerPage: json.Resources.length });
      else expect(status).toBe(400);
      const search = `{"schemas":["${SEARCH_REQUEST}"],"${name}":${/^-?\d+(e\d+|\.\d+)?$/.test(number) ? number : JSON.stringify(number)}}`;
      expect([200, 400]).toContain((await scim("POST", "/Users/.search", search)).status);
    }
  });

  it.each(["1e400", "-0", "9007199254740993", "1e-400", "123456789012345678901234567890", "-", "1e5", "0.1"])(
    "%s in a filter is a number that finds nobody, a word, or 400",
    async (number) => {
      for (const op of ["eq", "gt", "le", "co"]) {
        for (const attribute of [
          `${USHER_USER}:budget.limit`,
          "title",
          "active",
          "nosuch",
          `${USHER_USER}:license.position`,
        ]) {
          const { status } = await scim("GET", `/Users?filter=${encoded(`${attribute} ${op} ${number}`)}`);
          expect([200, 400]).toContain(status);
        }
      }
    },
  );
});

describeOnBoth("members given twice", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;

  it.each([
    ["in another letter case", '{"userName":"one","USERNAME":"two"}'],
    ["in another letter case, one of them null", '{"userName":"one","Username":null}'],
    ["with and without its schema", '{"userName":"one","urn:ietf:params:scim:schemas:core:2.0:User:userName":"two"}'],
    [
      "an extension twice",
      `{"userName":"one","${USHER_USER}":{"role":"user"},"${USHER_USER.toUpperCase()}":{"role":"admin"}}`,
    ],
    [
      "in an extension and beside it",
      `{"userName":"one","${USHER_USER}":{"role":"user"},"${USHER_USER}:role":"admin"}`,
    ],
    ["inside an extension", `{"userName":"one","${USHER_USER}":{"role":"user","ROLE":"admin"}}`],
    ["inside a complex attribute", '{"userName":"one","name":{"givenName":"a","GIVENNAME":"b"}}'],
    ["inside an element", '{"userName":"one","emails":[{"value":"a@b","VALUE":"c@d"}]}'],
    ["the schemas", '{"userName":"one","schemas":[],"SCHEMAS":[]}'],
  ])("%s: 400 invalidSyntax, in POST, PUT and PATCH", async (_, body) => {
    const { userId } = siege.victim;
    const answers = [await scim("POST", "/Users", body), await scim("PUT", `/Users/${userId}`, body)];
    if (!body.includes("schemas"))
      answers.push(await scim("PATCH", `/Users/${userId}`, `{"Operations":[{"op":"add","value":${body}}]}`));
    for (const { status, json } of answers) expect([status, json.scimType]).toEqual([400, "invalidSyntax"]);
  });

  it.each([
    '{"Operations":[{"op":"add","path":"title","value":"a"}],"operations":[{"op":"add","path":"title","value":"b"}]}',
    '{"Operations":[{"op":"add","OP":"remove","path":"title","value":"x"}]}',
    '{"Operations":[{"op":"add","path":"title","Path":"userName","value":"x"}]}',
    '{"Operations":[{"op":"add","path":"title","value":"x","VALUE":"y"}]}',
    `{"schemas":["${PATCH_OP}"],"SCHEMAS":["x"],"Operations":[{"op":"add","path":"title","value":"x"}]}`,
  ])("in a PatchOp message: %s is 400 invalidSyntax", async (body) => {
    for (const place of [`/Users/${siege.victim.userId}`, `/Groups/${siege.victim.groupId}`]) {
      const { status, json } = await scim("PATCH", place, body);
      expect([status, json.scimType]).toEqual([400, "invalidSyntax"]);
    }
  });

  it("in a search, and in a URL: 400", async () => {
    const search = (members: string) => scim("POST", "/Users/.search", `{"schemas":["${SEARCH_REQUEST}"],${members}}`);
    expect((await search('"filter":"userName pr","FILTER":"title pr"')).status).toBe(400);
    expect((await search('"count":1,"Count":2')).status).toBe(400);
    for (const query of ["filter=title+pr&filter=userName+pr", "count=1&COUNT=2", "startIndex=1&startIndex=1"]) {
      expect((await scim("GET", `/Users?${query}`)).status, query).toBe(400);
    }
  });

  it("to the letter the same: the last one is what JSON's readers take, in every check alike", async () => {
    const twice = `{"userName":"first","userName":"last","${USHER_USER}":{"role":"user"},"${USHER_USER}":{"role":"admin"}}`;
    const refused = await scim("POST", "/Users", twice);
    expect(refused.status).toBe(403);
    const harmless = `{"userName":"first","userName":"last","${USHER_USER}":{"role":"admin"},"${USHER_USER}":{"role":"user"}}`;
    const { status, json } = await scim("POST", "/Users", harmless);
    expect([status, json.userName, json[USHER_USER].effectiveRole]).toEqual([201, "last", "user"]);
    await scim("DELETE", `/Users/${json.id}`);
  });
});

describeOnBoth("ids of any shape", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api } = siege;

  const ids = [
    "0",
    "-1",
    "1",
    "null",
    "undefined",
    "true",
    "NaN",
    "[object Object]",
    "x".repeat(36),
    "x".repeat(7_000),
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "{0198c0de-0000-7000-8000-000000000000}",
    "0198c0de00007000800000000000000",
    "0198c0de-0000-7000-8000-00000000000g",
    "urn:uuid:0198c0de-0000-7000-8000-000000000000",
    "victim",
    "*",
    "%",
    "..",
    ".search",
    ".SEARCH",
    "../Users",
    "a/b",
    "a\\b",
    "a b",
    "a\nb",
    "\0",
    "\u0000\u0001",
    "\ud7ff",
    "日本語",
    "'",
    '"',
    "$ref",
    "__proto__",
    "' or 1=1 --",
    "{{7*7}}",
    ",",
    ";",
    "?",
    "#",
    "&a=b",
    "=",
    "@",
    "[]",
    "{}",
  ];

  it.each(ids)("%j is no user and no group: 404 for every verb, as a segment or inside a filter", async (id) => {
    for (const type of ["Users", "Groups"]) {
      const path = `/${type}/${encoded(id)}`;
      const bodies = [
        ["GET", undefined],
        ["HEAD", undefined],
        ["DELETE", undefined],
        ["PUT", { userName: "x", displayName: "x" }],
        ["PATCH", { Operations: [{ op: "replace", path: "displayName", value: "x" }] }],
      ] as const;
      for (const [method, body] of bodies) {
        const { status } = await scim(method, path, body);
        expect([method, status]).toEqual([method, id.toLowerCase() === ".search" ? 405 : 404]);
      }
    }
    const { status, json } = await scim("GET", `/Users?filter=${encoded(`id eq ${JSON.stringify(id)}`)}`);
    expect([200, 400, 431]).toContain(status);
    if (status === 200) expect(json.totalResults).toBe(0);
  });

  it.each(ids)("%j is nothing of the management API either: 404, or 400 where ids have a shape", async (id) => {
    for (const path of [`/users/${encoded(id)}`, `/users/${encoded(id)}/explain`, `/tenants/${encoded(id)}`]) {
      expect([400, 403, 404]).toContain((await api("GET", path)).status);
    }
    for (const path of [`/users/${encoded(id)}`, `/tokens/${encoded(id)}`, `/roles/${encoded(id)}`]) {
      expect([400, 403, 404]).toContain((await api("DELETE", path)).status);
    }
  });

  it.each(ids.filter((id) => id.toLowerCase() !== ".search"))("%j is no role and no entitlement", async (id) => {
    for (const type of ["Roles", "Entitlements", "OktaRoles", "OktaEntitlements", "Schemas", "ResourceTypes"]) {
      for (const method of ["GET", "HEAD"]) {
        expect([type, (await scim(method, `/${type}/${encoded(id)}`)).status]).toEqual([type, 404]);
      }
      expect([404, 405]).toContain((await scim("DELETE", `/${type}/${encoded(id)}`)).status);
    }
  });
});

describeOnBoth("hostile preconditions", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;

  const tags = [
    "*",
    "",
    '"',
    '"x',
    'x"',
    "W/",
    'W/"',
    'w/"1"',
    "W/1",
    "1",
    '"1"',
    '"\u00e9"',
    '" or 1=1"',
    ",",
    ",,,",
    '"a","b"',
    '*, "1"',
    '"__proto__"',
    `"${"x".repeat(8_000)}"`,
    Array.from({ length: 1_000 }, (_, at) => `"${at}"`).join(","),
  ];

  it.each(tags.map((tag) => [tag.slice(0, 30), tag]))("If-Match and If-None-Match: %s", async (_, tag) => {
    const url = `/Users/${siege.victim.userId}`;
    for (const name of ["If-Match", "If-None-Match"]) {
      const read = await scim("GET", url, undefined, { [name]: tag });
      expect([200, 304, 400, 412], `${name}: ${read.status}`).toContain(read.status);
      const same = { Operations: [{ op: "replace", path: "title", value: "kept" }] };
      const written = await scim("PATCH", url, same, { [name]: tag });
      expect([200, 400, 412], `${name}: ${written.status}`).toContain(written.status);
      const listed = await scim("GET", "/Schemas", undefined, { [name]: tag });
      expect([200, 304, 400, 412]).toContain(listed.status);
    }
    const absent = await scim("DELETE", "/Users/0190a0b0-0000-7000-8000-0000000000ff", undefined, { "If-Match": tag });
    expect([400, 404, 412]).toContain(absent.status);
  });
});

describeOnBoth("hostile cursors", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;

  it("are 400 invalidCursor, whatever was done to a good one", async () => {
    await scim("POST", "/Users", { userName: "second" });
    const { json } = await scim("GET", "/Users?cursor&count=1");
    const good = json.nextCursor as string;
    expect((await scim("GET", `/Users?count=1&cursor=${encoded(good)}`)).status).toBe(200);
    const flipped = [...good].map((char, at) => good.slice(0, at) + (char === "A" ? "B" : "A") + good.slice(at + 1));
    const wrong = [
      ...flipped,
      good.slice(1),
      good.slice(0, -1),
      `${good}A`,
      good + good,
      good.toUpperCase(),
      "x",
      "null",
      "\0",
      "__proto__",
      "' or 1=1",
      "e30",
      "x".repeat(10_000),
    ];
    for (const cursor of wrong) {
      const { status, json: refusal } = await scim("GET", `/Users?count=1&cursor=${encoded(cursor)}`);
      expect([cursor.slice(0, 200), status, refusal.scimType]).toEqual([cursor.slice(0, 200), 400, "invalidCursor"]);
    }
    for (const other of [
      "/Groups?count=1",
      "/Users?count=1&filter=title%20pr",
      "/Users?count=1&sortBy=title",
      "/?count=1",
    ]) {
      const { status, json: refusal } = await scim("GET", `${other}&cursor=${encoded(good)}`);
      expect([other, status, refusal.scimType]).toEqual([other, 400, "invalidCursor"]);
    }
  });
});
