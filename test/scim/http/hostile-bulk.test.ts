/**
 * A Bulk (RFC 7644 §3.7) that no honest client sends: each operation is refused for itself, in the words of the single
 * request, and the others are done; what is wrong with the envelope refuses the whole.
 */
import { expect, it } from "vitest";
import { ENTERPRISE_USER, USHER_USER } from "../../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { laySiege, machinery, SCIM_ERROR, type Told } from "../../helpers/siege.ts";

interface Done {
  readonly status: string;
  readonly location?: string;
  readonly response?: {
    readonly schemas: string[];
    readonly status: string;
    readonly scimType?: string;
    readonly detail: string;
  };
}

describeOnBoth("hostile Bulk", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;
  const bulk = (body: unknown) => scim("POST", "/Bulk", body);
  const all = (...Operations: unknown[]) => bulk({ Operations });

  /** Every operation has an answer in the words of SCIM, none of them a failure. */
  function operationsOf(answer: Told): Done[] {
    expect(answer.status, answer.text).toBe(200);
    const { Operations } = answer.json as { Operations: Done[] };
    for (const { status, response } of Operations) {
      expect(Number(status), JSON.stringify(response)).toBeLessThan(500);
      if (Number(status) >= 400) {
        expect(response).toMatchObject({ schemas: expect.arrayContaining([SCIM_ERROR]), status });
        expect(response?.detail).toMatch(/\w+ \w+/);
      }
    }
    return Operations;
  }

  /** Takes away what the operations made. */
  async function undo(done: readonly Done[]): Promise<void> {
    for (const { status, location } of done) {
      if (status === "201") await scim("DELETE", location?.replace(/^.*\/scim\/v2/, "") ?? "");
    }
  }

  const sound = (name: string) => ({
    method: "POST",
    path: "/Users",
    bulkId: `sound-${name}`,
    data: { userName: `sound-${name}` },
  });

  it.each(machinery)("%s as a bulkId, a method, a path, a version, a reference and a member (PAR-1)", async (name) => {
    const { userId, groupId } = siege.victim;
    const operations: unknown[] = [
      { method: "POST", path: "/Users", bulkId: name, data: { userName: `by ${name}` } },
      {
        method: "POST",
        path: "/Groups",
        bulkId: `${name}-group`,
        data: { displayName: `of ${name}`, members: [{ value: `bulkId:${name}` }] },
      },
      { method: name, path: "/Users", bulkId: "a", data: { userName: "x" } },
      { method: "POST", path: `/${name}`, bulkId: "b", data: { userName: "x" } },
      { method: "PATCH", path: `/Users/${name}`, data: { Operations: [{ op: "add", path: "title", value: "x" }] } },
      { method: "DELETE", path: `/Users/bulkId:${name}x` },
      {
        method: "PATCH",
        path: `/Users/${userId}`,
        version: name,
        data: { Operations: [{ op: "add", path: name, value: "x" }] },
      },
      {
        method: "PATCH",
        path: `/Groups/${groupId}`,
        data: { Operations: [{ op: "remove", path: `members[value eq "bulkId:${name}.x"]` }] },
      },
      {
        method: "POST",
        path: "/Users",
        bulkId: "c",
        data: { userName: "x", [ENTERPRISE_USER]: { manager: `bulkId:${name}.y` } },
      },
      sound(name),
    ];
    const done = operationsOf(await all(...operations));
    expect([done[0]?.status, done[1]?.status, done.at(-1)?.status]).toEqual(["201", "201", "201"]);
    for (const { status } of done.slice(2, -1)) expect(Number(status)).toBeGreaterThanOrEqual(400);
    await undo(done);
    const raw = `{"Operations":[{"method":"POST","path":"/Users","bulkId":"z","${name}":{"polluted":1},"data":{"userName":"z","${name}":{"polluted":1}}}],"${name}":{"polluted":1}}`;
    const answer = await bulk(raw);
    if (answer.status === 200) await undo(operationsOf(answer));
    else expect(answer.status).toBe(400);
  });

  const values: unknown[] = [
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    "",
    " ",
    "text",
    [],
    {},
    [null],
    ["text"],
    [{}],
    { value: "x" },
  ];

  it("every member of the message and of an operation × every JSON value is answered, and spoils no other operation", async () => {
    for (const value of values) {
      for (const name of ["schemas", "failOnErrors", "Operations"]) {
        const answer = await bulk({ Operations: [sound("envelope")], [name]: value });
        if (answer.status === 200) await undo(operationsOf(answer));
        else expect([name, value, answer.status]).toEqual([name, value, 400]);
      }
      const operations = ["method", "bulkId", "path", "version", "data"].flatMap((name, at) => [
        { ...sound(`part-${at}`), [name]: value },
        {
          method: "PATCH",
          path: `/Users/${siege.victim.userId}`,
          data: { Operations: [{ op: "remove", path: "nickName" }] },
          [name]: value,
        },
      ]);
      const done = operationsOf(await all(...operations, value, sound("last")));
      expect(done).toHaveLength(operations.length + 2);
      expect(done.at(-1)?.status).toBe("201");
      await undo(done);
    }
  });

  it.each([
    ["to nothing", "bulkId:nowhere"],
    ["to itself", "bulkId:self"],
    ["without a name", "bulkId:"],
    ["in another letter case", "BULKID:self"],
    ["with a blank", "bulkId: self"],
    ["of ten thousand characters", `bulkId:${"x".repeat(10_000)}`],
    ["with machinery", "bulkId:__proto__"],
    ["with markup", "bulkId:<img src=x>"],
    ["with a quote", 'bulkId:" or value pr or value eq "'],
  ])("a reference %s is refused for its operation alone", async (_, reference) => {
    const done = operationsOf(
      await all(
        {
          method: "POST",
          path: "/Groups",
          bulkId: "self",
          data: { displayName: "Self", members: [{ value: reference }] },
        },
        { method: "DELETE", path: `/Users/${reference}` },
        sound("beside"),
      ),
    );
    expect(done.map(({ status }) => Number(status) < 300)).toEqual([false, false, true]);
    await undo(done);
  });

  it("a chain and a circle of a thousand references, and one bulkId a thousand times, are answered soon", async () => {
    const user = (at: number, manager: number) => ({
      method: "POST",
      path: "/Users",
      bulkId: `u${at}`,
      data: { userName: `chained-${at}`, nosuch: `bulkId:u${manager}` },
    });
    // What nothing keeps refers all the same: the order is found before anything is made.
    const chain = Array.from({ length: 200 }, (_, at) => user(at, Math.min(199, at + 1)));
    const chained = await bulk({
      failOnErrors: 1,
      Operations: [...chain.slice(0, 199), { ...user(199, 0), data: { userName: " " } }],
    });
    expect(chained.status).toBe(200);
    await undo(operationsOf(chained));
    const same = Array.from({ length: 1_000 }, () => ({
      method: "DELETE",
      path: "/Users/bulkId:twice",
      bulkId: "twice",
    }));
    for (const { status } of operationsOf(await all(...same))) expect(status).toBe("400");
    expect((await all(...Array.from({ length: 1_001 }, () => sound("many")))).status).toBe(413);
  });

  it("what one operation may not do, no order of operations may: gains are refused before, between and after", async () => {
    const grant = { [USHER_USER]: { role: "admin" } };
    const { userId } = siege.victim;
    const attempts = [
      [{ method: "POST", path: "/Users", bulkId: "m", data: { userName: "mallory", ...grant } }],
      [
        { method: "POST", path: "/Users", bulkId: "m", data: { userName: "mallory" } },
        { method: "PATCH", path: "/Users/bulkId:m", data: { Operations: [{ op: "add", value: grant }] } },
        {
          method: "PATCH",
          path: "/Users/bulkId:m",
          data: { Operations: [{ op: "remove", path: `${USHER_USER}:role` }] },
        },
      ],
      [
        {
          method: "PUT",
          path: `/Users/${userId}`,
          data: { userName: "victim", title: "kept", id: "0190a0b0-0000-7000-8000-0000000000ff" },
        },
        {
          method: "PATCH",
          path: `/Users/${userId}`,
          data: { Operations: [{ op: "replace", path: "id", value: "x" }] },
        },
      ],
    ];
    for (const operations of attempts) {
      const done = operationsOf(await all(...operations));
      expect(done.some(({ status }) => status === "403" || status === "400")).toBe(true);
      await undo(done);
    }
    expect((await siege.api("GET", "/overview")).json.users.administrators).toBe(0);
  });

  it("paths lead to nothing but users and groups of this server", async () => {
    const paths = [
      "/Schemas",
      "/Bulk",
      "/Me",
      "/.search",
      "/Users/.search",
      "/Roles/admin",
      "/../../api/v1/users",
      "//Users",
      "/Users/../Groups",
      "http://evil.example.com/scim/v2/Users",
      "/Users?x=1",
      "/Users#x",
      "/%55sers",
      "Users/%2e%2e/Groups",
      "/Users/x/y",
      "\\Users",
      "",
      "/",
    ];
    const done = operationsOf(
      await all(
        ...paths.map((path) => ({
          method: "POST",
          path,
          bulkId: path || "none",
          data: { userName: "strayed", displayName: "strayed" },
        })),
      ),
    );
    for (const [at, { status }] of done.entries())
      expect([paths[at], Number(status) >= 400]).toEqual([paths[at], true]);
  });

  it("text and numbers that nothing holds are 400 for the message that they are in", async () => {
    for (const text of ["\\u0000", "\\ud800"]) {
      for (const operation of [
        `{"method":"POST","path":"/Users","bulkId":"${text}","data":{"userName":"x"}}`,
        `{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"${text}"}}`,
      ]) {
        const answer = await bulk(`{"Operations":[${operation}]}`);
        if (answer.status === 200) for (const { status } of operationsOf(answer)) expect(status).toBe("400");
        else expect(answer.status).toBe(400);
      }
    }
    expect((await bulk(`{"failOnErrors":1e400,"Operations":[]}`)).status).toBe(400);
    expect((await bulk(`{"Operations":${"[".repeat(10_000)}${"]".repeat(10_000)}}`)).status).toBe(400);
  });
});
