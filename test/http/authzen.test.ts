import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeOn } from "../helpers/database.ts";
import { startServer, type TestServer } from "../helpers/server.ts";

/** AuthZEN 1.0 §9: where the policy decision point is. */
describeOn("pglite", "the discovery document of access evaluation", (getDb) => {
  const path = "/.well-known/authzen-configuration";
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  it("is there without a credential and names the endpoints that there are", async () => {
    const { status, headers, body } = await server.sender("")("GET", path);
    expect([status, headers.get("content-type")]).toEqual([200, "application/json; charset=utf-8"]);
    expect(body).toEqual({
      policy_decision_point: server.origin,
      access_evaluation_endpoint: `${server.origin}/access/v1/evaluation`,
      access_evaluations_endpoint: `${server.origin}/access/v1/evaluations`,
    });
  });

  it("leads to endpoints that answer, and announces none that does not", async () => {
    const tenant = await server.tenant();
    const { body } = await server.sender("")<Record<string, string>>("GET", path);
    const question = { subject: { type: "userName", id: "x" }, action: { name: "sign-in" } };
    for (const name of ["access_evaluation_endpoint", "access_evaluations_endpoint"]) {
      const endpoint = body[name]!.slice(server.origin.length);
      const answer = await server.sender("", tenant.adminToken)("POST", endpoint, question);
      expect([name, answer.status, answer.body.decision]).toEqual([name, 200, false]);
    }
    const search = await server.sender("", tenant.adminToken)("POST", "/access/v1/search/subject", question);
    expect(search.status).toBe(404);
  });

  it("§9.2: goes by the public URL, so that it names the address that it is found under, and may be kept then", async () => {
    const known = await startServer(getDb(), { publicUrl: "https://usher.example.com" });
    const { body, headers } = await known.sender("")<Record<string, string>>("GET", path);
    expect(headers.get("cache-control")).toBe("public, max-age=3600");
    expect((await server.sender("")("GET", path)).headers.get("cache-control")).toBe("no-store");
    expect(body.policy_decision_point).toBe("https://usher.example.com");
    expect(body.access_evaluations_endpoint).toBe("https://usher.example.com/access/v1/evaluations");
    await known.close();
  });

  it.each(["POST", "PUT", "DELETE"])("takes no %s", async (method) => {
    const { status, headers } = await server.sender("")(method, path, {});
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  describe("of a tenant", () => {
    it("is the same: the credential says which it is", async () => {
      expect((await server.sender("")("GET", `${path}/acme`)).status).toBe(404);
    });
  });
});
