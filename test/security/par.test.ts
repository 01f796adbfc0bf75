/** PAR-1 to PAR-5: what a parser meets that no honest client sends. Prototypes, recursion, injection, reflection, templates. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { operations } from "../../src/admin/api-document.ts";
import { parseFilter, parsePath } from "../../src/vocabulary/filter/index.ts";
import { ENTERPRISE_USER, PATCH_OP, USHER_USER } from "../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { quickestMs } from "../helpers/quickest.ts";
import { laySiege, machinery, type Told } from "../helpers/siege.ts";

const SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const patch = (...Operations: unknown[]) => ({ schemas: [PATCH_OP], Operations });
const encoded = encodeURIComponent;
const collections = ["Users", "Groups", "Schemas", "ResourceTypes", "Roles", "Entitlements", "OktaRoles"].map(
  (name) => `/${name}/`,
);

describeOnBoth("PAR-1: names that reach into objects", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api, access } = siege;

  it.each(machinery)("PAR-1: %s in filters, orders, lists of attributes and ids", async (name) => {
    const filters = [
      `${name} eq 1`,
      `${name}.assign eq "x"`,
      `emails[${name} eq 1]`,
      `emails[type eq "work"].${name} eq 1`,
      `${USHER_USER}:${name} pr`,
      `${name} pr`,
      `not (${name} pr)`,
      `name.${name} pr`,
      `${ENTERPRISE_USER}.${name} eq "x"`,
    ];
    for (const filter of filters) {
      for (const type of ["/Users", "/Groups", "/Roles", ""]) {
        const answers = [
          await scim("GET", `${type}/?filter=${encoded(filter)}`),
          await scim("POST", `${type}/.search`, { schemas: [SEARCH_REQUEST], filter }),
        ];
        for (const { status, json } of answers) {
          if (status === 200 && !filter.startsWith("not")) expect(json.totalResults).toBe(0);
        }
      }
    }
    for (const parameter of ["attributes", "excludedAttributes", "sortBy", "sortOrder", "count", "startIndex", name]) {
      for (const value of [name, `${name}.x`, `emails.${name}`, `${USHER_USER}:${name}`]) {
        await scim("GET", `/Users?${encoded(parameter)}=${encoded(value)}`);
        await scim("GET", `/Users/${siege.victim.userId}?${encoded(parameter)}=${encoded(value)}`);
      }
      await scim("GET", `/Schemas?${encoded(parameter)}=${encoded(name)}`);
    }
    await scim("GET", `/Users?${name}[polluted]=1&filter[${name}]=x&${name}=1&${name}=2`);
    for (const path of [...collections, "/", "/Users/x/"]) {
      expect([path, (await scim("GET", path + encoded(name))).status]).toEqual([path, 404]);
    }
    expect(
      (await scim("POST", "/Users/.search", { schemas: [SEARCH_REQUEST], [name]: { polluted: 1 } })).status,
    ).toBeLessThan(401);
  });

  it.each(machinery)("PAR-1: %s as a member of a resource, at every depth", async (name) => {
    const bodies = [
      `{"userName":"h1","${name}":{"polluted":1}}`,
      `{"userName":"h2","name":{"${name}":{"polluted":1}}}`,
      `{"userName":"h3","emails":[{"value":"a@b.c","${name}":{"polluted":1}}]}`,
      `{"userName":"h4","${ENTERPRISE_USER}:${name}":1}`,
      `{"userName":"h5","${ENTERPRISE_USER}":{"${name}":{"polluted":1}}}`,
      `{"userName":"h6","name.${name}":1}`,
      `{"userName":"h7","${name}.polluted":1}`,
      `{"userName":"h8","${name}":"x","emails":[{"${name}":"x"}],"schemas":["${name}"]}`,
      `{"userName":"h9","${escapedAll(name)}":{"polluted":1}}`,
      `{"userName":"${name}","externalId":"${name}","displayName":"${name}"}`,
    ];
    for (const body of bodies) {
      const { status, text, json } = await scim("POST", "/Users", body);
      if (status === 201) {
        expect(text).not.toContain('polluted":');
        expect((await scim("PUT", `/Users/${json.id}`, body)).text).not.toContain('polluted":');
        await scim("DELETE", `/Users/${json.id}`);
      }
    }
    await scim("POST", "/Groups", `{"${name}":1}`);
    await scim("PUT", `/Groups/${siege.victim.groupId}`, `{"displayName":"Victims","${name}":{"polluted":1}}`);
  });

  it.each(machinery)("PAR-1: %s in a PATCH: as path, sub-attribute, member, filter and operation", async (name) => {
    const operations = [
      { op: "replace", path: name, value: "x" },
      { op: "add", path: `${name}.polluted`, value: "x" },
      { op: "remove", path: name },
      { op: "replace", path: `emails[${name} eq 1].value`, value: "x" },
      { op: "replace", path: `emails[type eq "work"].${name}`, value: "x" },
      { op: "add", path: `emails[type eq "${name}"].${name}.${name}`, value: "x" },
      { op: "add", path: `${ENTERPRISE_USER}:${name}`, value: "x" },
      { op: "add", path: `${ENTERPRISE_USER}:manager.${name}`, value: "x" },
      { op: "add", path: `urn:${name}:${name}`, value: { polluted: 1 } },
      { op: "add", value: { [`name.${name}`]: "x", [`emails[type eq "x"].${name}`]: "x" } },
      { op: "add", path: "emails", value: [{ value: "x@y", [name]: "x" }] },
      { op: name, path: "title", value: "x" },
      { op: "replace", path: "nickName", value: name },
      { [name]: "x", op: "replace", path: "nickName", value: "x" },
    ];
    for (const operation of operations) {
      await scim("PATCH", `/Users/${siege.victim.userId}`, patch(operation));
      await scim("PATCH", `/Groups/${siege.victim.groupId}`, patch(operation));
    }
    const nested = `{"Operations":[{"op":"add","value":{"${name}":{"polluted":1}}}],"${name}":{"polluted":1}}`;
    await scim("PATCH", `/Users/${siege.victim.userId}`, nested);
    await scim("PATCH", `/Groups/${siege.victim.groupId}`, nested);
    const members = { op: "remove", path: "members", value: [{ [`${name}.entries`]: 1 }, name] };
    await scim("PATCH", `/Groups/${siege.victim.groupId}`, patch(members));
    await scim("PATCH", `/Groups/${siege.victim.groupId}`, patch({ ...members, path: `members[${name} eq 1]` }));
  });

  it.each(machinery)("PAR-1: %s in the management API and in access evaluation", async (name) => {
    for (const path of ["/roles", "/tokens", "/pools/standard/purchase", "/mapping/preview"]) {
      const sent = await api("POST", path, `{"${name}":{"polluted":1}}`);
      expect(sent.status, path).toBe(400);
    }
    const words = { label: name, scopes: [name], role: name, key: name, name, permissions: [name] };
    await api("POST", "/tokens", words);
    await api("POST", "/roles", { ...words, rank: 1 });
    for (const { path, method } of operations) {
      const url = path.replace("/api/v1", "").replace(/\{\w+\}/g, encoded(name));
      if (path.startsWith("/api/v1/") && path.includes("{"))
        expect((await api(method.toUpperCase(), url)).status).toBeGreaterThanOrEqual(400);
    }
    await api("GET", `/users?q=${encoded(name)}&role=${encoded(name)}&${encoded(name)}=1`);
    await api("GET", `/users?${encoded(name)}[x]=1`);
    const subject = { type: "userName", id: name };
    for (const question of [
      { subject, action: { name } },
      { subject, action: { name: "sign-in" }, [name]: 1 },
    ]) {
      const { status, json } = await access(question);
      if (status === 200) expect(json.decision).toBe(false);
    }
  });
});

describeOnBoth("PAR-2: recursion and size", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api } = siege;

  /** As long as a URL may be; longer ones come in a search. */
  const filters: readonly (readonly [string, (length: number) => string])[] = [
    ["opening brackets", (n) => "(".repeat(n)],
    ["nots within nots", (n) => "not (".repeat(n / 5)],
    ["balanced brackets", (n) => `${"(".repeat(n / 2)}title pr${")".repeat(n / 2)}`],
    ["balanced nots", (n) => `${"not (".repeat(n / 6)}title pr${")".repeat(n / 6)}`],
    ["a string that never ends", (n) => `a eq "${"\\\n".repeat(n / 2)}`],
    ["a string of escapes", (n) => `title eq "${"\\u0041".repeat(n / 6)}"`],
    ["alternatives of alternatives", (n) => Array.from({ length: n / 20 }, () => "(a pr or b pr)").join(" and ")],
    ["a row of ands", (n) => Array.from({ length: n / 14 }, () => "title pr").join(" and ")],
    ["a path of dots", (n) => `${"a.".repeat(n / 2)}b eq 1`],
    ["brackets within brackets", (n) => "a[b[".repeat(n / 4)],
    ["value paths within value paths", (n) => `${"emails[".repeat(n / 8)}value pr${"]".repeat(n / 8)}`],
    ["a long number", (n) => `title eq ${"9".repeat(n)}`],
    ["a long exponent", (n) => `title eq 1e${"9".repeat(n)}`],
    ["colons", (n) => `urn:${":".repeat(n)}x pr`],
    ["blanks", (n) => `title${" ".repeat(n)}pr`],
    ["a long word", (n) => `${"a".repeat(n)} pr`],
    ["a long value", (n) => `title co "${"a".repeat(n)}"`],
  ];

  it.each(filters)(
    "PAR-2: %s as a filter: 15,000 characters by GET, 60,000 and 100,000 in a search",
    async (_, build) => {
      for (const type of ["Users", "Groups"]) {
        // Percent-encoding would double it; what a URL can hold unencoded goes out so.
        const short = build(15_000)
          .replace(/ /g, "+")
          .replace(/["\\\n]/g, encoded)
          .slice(0, 15_500);
        expect([200, 400, 431]).toContain((await scim("GET", `/${type}?filter=${short}`)).status);
        const search = (filter: string) => scim("POST", `/${type}/.search`, { schemas: [SEARCH_REQUEST], filter });
        expect([400, 413]).toContain((await search(build(60_000))).status);
        expect([400, 413]).toContain((await search(build(100_000))).status);
      }
    },
  );

  it("PAR-2: no filter or path of a megabyte takes the parsers 50 ms", () => {
    for (const [name, build] of filters) {
      for (const length of [16_000, 100_000, 1_000_000]) {
        const text = build(length);
        const parse = (parser: () => unknown) => () => {
          try {
            parser();
          } catch (error) {
            expect(error).toMatchObject({ name: "Problem", status: 400 });
          }
        };
        expect(
          quickestMs(
            parse(() => parseFilter("User", text)),
            3,
          ),
          `${name}, ${length}`,
        ).toBeLessThan(50);
        expect(
          quickestMs(
            parse(() => parsePath("User", text)),
            3,
          ),
          `${name}, ${length}`,
        ).toBeLessThan(50);
        expect(
          quickestMs(
            parse(() => parsePath("User", `emails[${text}]`)),
            3,
          ),
          `${name}, ${length}`,
        ).toBeLessThan(50);
      }
    }
  });

  it.each([
    ["a long path", `${"a.".repeat(30_000)}b`],
    ["brackets", "emails[".repeat(10_000)],
    ["nested value paths", `emails[${"(".repeat(20_000)}`],
    ["ten thousand levels, closed", `emails[${"(".repeat(10_000)}value pr${")".repeat(10_000)}].value`],
    ["an open string", `emails[value eq "${"\\x".repeat(20_000)}`],
  ])("PAR-2: %s as the path of an operation is 400", async (_, path) => {
    for (const operation of [
      { op: "replace", path, value: "x" },
      { op: "remove", path },
      { op: "add", value: { [path]: 1 } },
    ]) {
      for (const place of [`/Users/${siege.victim.userId}`, `/Groups/${siege.victim.groupId}`]) {
        const { status } = await scim("PATCH", place, patch(operation));
        if ("path" in operation) expect(status).toBe(400);
      }
    }
  });

  it.each([
    ["objects in objects", (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`],
    ["lists in lists", (depth: number) => `{"emails":${"[".repeat(depth)}${"]".repeat(depth)}}`],
    ["objects that never close", (depth: number) => '{"a":'.repeat(depth)],
    ["lists that never close", (depth: number) => "[".repeat(depth)],
    ["both in turn", (depth: number) => `{"a":${'[{"a":'.repeat(depth)}1${"}]".repeat(depth)}}`],
  ])("PAR-2: %s, up to 100,000 deep, are 400 at every door", async (_, build) => {
    for (const depth of [40, 1_000, 10_000, 100_000]) {
      const body = build(depth);
      for (const [method, path] of [
        ["POST", "/Users"],
        ["PUT", `/Users/${siege.victim.userId}`],
        ["PATCH", `/Groups/${siege.victim.groupId}`],
      ] as const) {
        expect([400, 413]).toContain((await scim(method, path, body)).status);
      }
      expect([400, 413]).toContain((await api("POST", "/roles", body)).status);
      expect([400, 413]).toContain((await siege.access(body)).status);
    }
  });

  it("PAR-2: tens of thousands of e-mails, operations, members and names are answered soon", async () => {
    const { userId, groupId } = siege.victim;
    const emails = Array.from({ length: 20_000 }, (_, i) => ({ value: `${i}@x.y` }));
    await scim("PATCH", `/Users/${userId}`, patch({ op: "add", path: "nosuch", value: emails }));
    expect((await scim("PATCH", `/Users/${userId}`, patch({ op: "add", path: "emails", value: emails }))).status).toBe(
      400,
    );
    const many = Array.from({ length: 5_000 }, () => ({ op: "replace", path: "displayName", value: "x" }));
    expect((await scim("PATCH", `/Users/${userId}`, patch(...many))).status).toBe(400);
    const members = Array.from({ length: 20_000 }, (_, i) => ({
      value: `0198c0de-0000-7000-8000-${String(i).padStart(12, "0")}`,
    }));
    expect(
      (await scim("PATCH", `/Groups/${groupId}`, patch({ op: "add", path: "members", value: members }))).status,
    ).toBe(400);
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`attribute${i}`, i]));
    await scim("PUT", `/Users/${userId}`, { ...wide, userName: "victim", title: "kept" });
    const sameName = `{"userName":"victim",${Array.from({ length: 20_000 }, () => '"title":"kept"').join(",")}}`;
    await scim("PUT", `/Users/${userId}`, sameName);
    const names = Array.from({ length: 10_000 }, () => "title").join(",");
    expect([400, 413]).toContain(
      (await scim("POST", "/Users/.search", { schemas: [SEARCH_REQUEST], attributes: names.split(",") })).status,
    );
  });
});

/** Texts that mean something to SQL, LIKE, shells, LDAP, JSON, HTML and template languages. */
const payloads = [
  "x' or '1'='1",
  "'; drop table users; --",
  "x'); select pg_sleep(5); --",
  "\\",
  "\\\\'",
  "%",
  "_",
  "$1",
  "$$",
  "?",
  ":name",
  "{{7*7}}",
  `$${"{7*7}"}`,
  "#{7*7}",
  "<%= 7*7 %>",
  `$${'{T(java.lang.Runtime).getRuntime().exec("id")}'}`,
  "%{(#a=1)}",
  "*)(uid=*",
  '" or value pr or value eq "',
  "$(id)",
  "`id`",
  "../../../etc/passwd",
  "<script>alert(1)</script>",
  "\u202etxt.exe",
  "\r\nX-Injected: 1",
];

describeOnBoth("PAR-3: injection", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api, access } = siege;
  const attributes = [
    "userName",
    "title",
    "externalId",
    "emails.value",
    "displayName",
    "id",
    "meta.lastModified",
    "groups.display",
  ];

  it.each(payloads)("PAR-3: %j in a filter behaves as the text that it is", async (text) => {
    const { json: made } = await scim("POST", "/Users", { userName: `u-${text}`, title: text, externalId: text });
    const literal = JSON.stringify(text);
    for (const attribute of attributes) {
      for (const op of ["eq", "ne", "co", "sw", "ew", "gt", "le"]) {
        const { status, json } = await scim("GET", `/Users?filter=${encoded(`${attribute} ${op} ${literal}`)}`);
        expect(status, `${attribute} ${op}`).toBe(200);
        const found = json.Resources.map(({ id }: { id: string }) => id);
        const holds = attribute === "title" || attribute === "externalId";
        if (op === "eq") expect(found, attribute).toEqual(holds ? [made.id] : []);
        if (holds && /^(co|sw|ew|le)$/.test(op)) expect(found).toContain(made.id);
      }
    }
    const inName = await scim("GET", `/Users?filter=${encoded(`userName ew ${JSON.stringify(text.trim())}`)}`);
    if (text.trim() === text) expect(inName.json.Resources.map(({ id }: { id: string }) => id)).toContain(made.id);
    await scim("DELETE", `/Users/${made.id}`);
  });

  it.each(payloads)("PAR-3: %j where an order, a name, a number or an id belongs", async (text) => {
    for (const parameter of [
      "sortBy",
      "sortOrder",
      "count",
      "startIndex",
      "attributes",
      "excludedAttributes",
      "cursor",
    ]) {
      for (const value of [text, `userName ${text}`, `userName,${text}`]) {
        const { status, json } = await scim("GET", `/Users?${parameter}=${encoded(value)}`);
        if (parameter === "sortBy") expect([status, json.scimType]).toEqual([400, "invalidValue"]);
      }
    }
    for (const name of ["cursor", "limit", "q", "role", "tier", "status", "team"]) {
      await api("GET", `/users?${name}=${encoded(text)}`);
    }
    for (const name of ["subject", "connection", "from", "status"]) {
      await api("GET", `/provisioning-log?${name}=${encoded(text)}`);
    }
    await api("GET", `/events?after=${encoded(text)}&subject=${encoded(text)}`);
    const { json } = await access({ subject: { type: "userName", id: text }, action: { name: text } });
    if (json.decision !== undefined) expect(json.decision).toBe(false);
    const removal = patch({ op: "remove", path: "members", value: [{ value: `2${text}` }] });
    await scim("PATCH", `/Groups/${siege.victim.groupId}`, removal);
  });

  it("PAR-3: sortBy takes what the attribute table allows, and nothing that is made of it (300 generated)", async () => {
    const name = fc.constantFrom(
      "userName",
      "title",
      "emails",
      "name.familyName",
      "meta.created",
      "u.id",
      "password",
      "doc",
    );
    const joint = fc.constantFrom(
      "",
      ",",
      ";",
      "--",
      " desc",
      "/**/",
      ")",
      "'",
      '"',
      "->>",
      "::text",
      " nulls first",
      "\0",
      "%",
    );
    const order = fc
      .array(fc.oneof(name, joint, fc.string({ maxLength: 6 })), { maxLength: 4 })
      .map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(order, async (sortBy) => {
        const { status, json } = await scim("GET", `/Users?count=1&sortBy=${encoded(sortBy.toWellFormed())}`);
        if (status === 400) expect(json.scimType).toBe("invalidValue");
        else expect(json.Resources).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });
});

describeOnBoth("PAR-4, PAR-5: what comes back of what was sent", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, api, access } = siege;
  const markup = '<img src=x onerror="alert(1)">';

  /** A refusal is JSON that no browser takes for a page, and repeats no markup. */
  function requireHarmless({ status, headers, text }: Told): void {
    expect(headers["content-type"]).toMatch(/^application\/(scim\+|problem\+)?json\b/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    if (status >= 400) expect(text).not.toMatch(/[<>]/);
  }

  it("PAR-4: markup in any place is refused in JSON, without being repeated", async () => {
    const sent: Told[] = [];
    for (const filter of [
      `${markup} eq "1"`,
      `title ${markup} "1"`,
      `title eq ${markup}`,
      `emails[${markup} pr]`,
      `title eq "${markup}`,
    ]) {
      sent.push(await scim("GET", `/Users?filter=${encoded(filter)}`));
    }
    for (const parameter of ["sortBy", "sortOrder", "count", "startIndex"]) {
      sent.push(await scim("GET", `/Users?${parameter}=${encoded(markup)}`));
    }
    for (const path of [
      `/${encoded(markup)}`,
      `/Users/${encoded(markup)}`,
      `/Schemas/${encoded(markup)}`,
      `/${markup}`,
    ]) {
      sent.push(await scim("GET", path.replaceAll(" ", "%20")));
    }
    sent.push(await scim("POST", "/Users", { userName: [markup] }));
    sent.push(await scim("POST", "/Users", `{"${markup.replaceAll('"', "'")}": }`));
    sent.push(await scim("POST", "/Users", "{}", { "Content-Type": `text/html${markup}` }));
    for (const operation of [
      { op: markup, path: "title" },
      { op: "add", path: markup, value: 1 },
      { op: "add", path: "active", value: markup },
    ]) {
      sent.push(await scim("PATCH", `/Users/${siege.victim.userId}`, patch(operation)));
    }
    sent.push(await api("GET", `/users/${encoded(markup)}`));
    sent.push(await api("POST", "/tokens", { label: markup, scopes: [markup] }));
    sent.push(await api("POST", "/tokens", { label: "x", scopes: ["scim"], [markup]: 1 }));
    sent.push(await access({ subject: { type: markup, id: "x" }, action: { name: markup } }));
    for (const answer of sent) {
      expect(answer.status, answer.text).toBeGreaterThanOrEqual(400);
      requireHarmless(answer);
    }
  });

  it("PAR-4: a name that holds markup is kept as it is and comes back as a JSON text", async () => {
    const made = await scim("POST", "/Users", { userName: markup, displayName: markup });
    expect(made.json).toMatchObject({ userName: markup, displayName: markup });
    requireHarmless(made);
    const taken = await scim("POST", "/Users", { userName: markup });
    expect(taken.status).toBe(409);
    requireHarmless(taken);
    await scim("DELETE", `/Users/${made.json.id}`);
  });

  it.each(payloads)("PAR-5: %j in a segment of a path is a name that nothing has", async (text) => {
    for (const path of [...collections, "/", "/Users/x/"]) {
      const answer = await scim("GET", path + encoded(text));
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.text).not.toMatch(/\b49\b|uid=\d/);
      expect(answer.headers["x-injected"]).toBeUndefined();
    }
    for (const path of ["/users/", "/tokens/", "/roles/", "/pools/", "/promotions/"]) {
      const answer = await api("GET", path + encoded(text));
      expect([400, 404, 405], path).toContain(answer.status);
      expect(answer.text).not.toMatch(/\b49\b|uid=\d/);
    }
  });

  describe("PAR-5: in a refusal that repeats a value", () => {
    it.each(payloads)("PAR-5: %j is text, not a template", async (text) => {
      const answers = [
        await scim("POST", "/Users", { userName: "t", [USHER_USER]: { role: text } }),
        await scim("POST", "/Users", { userName: "t", [USHER_USER]: { licenseTier: text } }),
        await scim("POST", "/Groups", { displayName: "t", members: [{ value: text }] }),
        await scim("POST", "/Users", "{}", { "Content-Type": `application/${text.replace(/[^\x20-\x7e]/g, "")}` }),
        await api("POST", "/tokens", { label: text, scopes: ["api"], role: text }),
      ];
      for (const { status, text: told } of answers) {
        expect(status).toBeGreaterThanOrEqual(400);
        expect(told).not.toMatch(/\b49\b|uid=\d/);
      }
    });
  });
});

/** The text as JSON may write it: every character as an escape. */
function escapedAll(text: string): string {
  return [...text].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
