/** `npm run demo`: the working day, on a server of its own and at a running one, and what happens when it is not as told. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOn } from "../helpers/database.ts";
import { startServer, type TestServer } from "../helpers/server.ts";

const script = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

/** Nothing of whoever runs the test. */
async function playDemo(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let told = "";
  let complained = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complained += text;
  });
  const [code] = await once(child, "close");
  return { code: code as number | null, told, complained };
}

/** The turns of the story, in their order. */
const turns = [
  'The rule "Sales leads" gives the role "Manager".',
  "edsger: waits for standard at position 2",
  'alan.turing@northwind.example was not given the role "Admin"',
  "Withheld: an Admin has to approve.",
  "may sign in, as admin",
  "katherine: standard seat",
  "active · role user · standard seat · team Sales",
  "ada: standard seat, waits for pro at position 1",
  "done: 6 of 6 decided anew",
  "ada: pro seat",
  "edsger: standard seat",
  "No Pro license seat is free (2 of 2 used).",
  "barbara.liskov@contoso.example was not given the role",
  "active · role admin · no license",
  "niklaus: standard seat",
  "no: The person is not active.",
  "8 people: 7 active, 1 inactive; 2 administrators",
  "Standard              4          4          0          0",
  "Pro                   2          2          0          0",
  "All as told",
];

function expectTheStory({ code, told, complained }: Awaited<ReturnType<typeof playDemo>>): void {
  expect({ code, complained }).toEqual({ code: 0, complained: "" });
  let from = 0;
  for (const turn of turns) {
    const at = told.indexOf(turn, from);
    expect(at, `${turn} is told after what comes before it`).toBeGreaterThanOrEqual(0);
    from = at + turn.length;
  }
  expect(told, "colours, though nobody watches").not.toContain("\u001b");
  expect(told, "a token").not.toContain("usher_");
}

describeOn("pglite", "npm run demo on a server of its own", () => {
  it("tells the day as it went, and ends with 0", async () => {
    expectTheStory(await playDemo({}));
  }, 90_000);
});

describeOn("postgres", "npm run demo at a running server", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  const tenants = async () => (await server.operator<{ tenants: { id: string }[] }>("GET", "/tenants")).body.tenants;
  const visit = (env: Record<string, string> = {}, ...args: string[]) =>
    playDemo({ USHER_URL: server.origin, USHER_OPERATOR_TOKEN: server.operatorToken, ...env }, ...args);

  it("tells the day as it went in a tenant of its own, and takes the tenant away", async () => {
    expectTheStory(await visit());
    expect(await tenants()).toEqual([]);
  }, 60_000);

  it("leaves the tenant behind when asked to", async () => {
    expect(await visit({}, "--keep")).toMatchObject({ code: 0 });
    expect(await tenants()).toHaveLength(1);
  }, 60_000);

  it("ends with 1 and names the step when an answer is not as told", async () => {
    const { code, told, complained } = await visit({ USHER_OPERATOR_TOKEN: "not-the-token-of-this-operator-012345" });
    expect(code).toBe(1);
    expect(told).not.toContain("All as told");
    expect(complained).toMatch(
      /^\nNot as told, at step 1\.1 "The vendor makes a tenant .*":\nPOST \/tenants: expected 201/,
    );
  });

  it("notices a seat too many in the middle of the day", async () => {
    const liar = await startLiar(server.origin, (path, text) =>
      path.startsWith("/api/v1/pools/pro/purchase") ? text.replace('"used":2', '"used":3') : text,
    );
    const { code, complained } = await visit({ USHER_URL: liar.origin });
    liar.close();
    expect(code).toBe(1);
    expect(complained).toMatch(/at step 9\.2 .*\n.*expected .*"used":2.*, got .*"used":3/);
  }, 60_000);

  it("asks for the operator's token when told of a server without it", async () => {
    const { code, complained } = await playDemo({ USHER_URL: server.origin });
    expect(code).toBe(1);
    expect(complained).toMatch(/at step 0 .*\n.*set USHER_OPERATOR_TOKEN/);
  });

  it("says so when nobody answers", async () => {
    const { code, complained } = await visit({ USHER_URL: "http://127.0.0.1:1" });
    expect(code).toBe(1);
    expect(complained).toMatch(/at step 1\.1 .*\n.*no answer/);
  });
});

/** A proxy that changes what the server says. */
async function startLiar(origin: string, change: (path: string, text: string) => string) {
  const proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = await fetch(origin + request.url, {
      method: request.method!,
      headers: { ...(request.headers as Record<string, string>), connection: "close", "accept-encoding": "identity" },
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    response.writeHead(answer.status).end(change(request.url ?? "", await answer.text()));
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { origin: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, close: () => proxy.close() };
}
