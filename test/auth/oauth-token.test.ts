/** POST /oauth/token: RFC 6749 §2.3.1, §3.2, §4.4 and §5; and where it is found, RFC 8414. */
import fc from "fast-check";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RateLimiter } from "../../src/auth/rate-limiter.ts";
import { formatClientId, newTokenSecret, parseToken } from "../../src/auth/token-text.ts";
import { createLogger } from "../../src/log.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { accessTokenOf, basic, type Credentials, clientOf, formOf, post, postAs, type TokenAnswer } from "./oauth.ts";

describeOnBoth("POST /oauth/token", (getDb) => {
  const lines: string[] = [];
  let now: Date | undefined;
  let server: TestServer;
  let tenant: TestTenant;
  let client: Credentials;
  beforeAll(async () => {
    const log = createLogger("debug", { write: (line: string) => void lines.push(line) });
    server = await startServer(getDb(), { log, clock: () => now ?? new Date() });
    tenant = await server.tenant();
    client = clientOf(tenant.scimToken);
  });
  afterAll(() => server.close());

  const expectRefusal = (answer: TokenAnswer, status: number, error: string) => {
    expect([answer.status, answer.body.error], answer.text).toEqual([status, error]);
    expect(answer.body.error_description).toMatch(/^[ !#-[\]-~]+$/);
    expect(Object.keys(answer.body).toSorted()).toEqual(["error", "error_description"]);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    if (status === 401) expect(answer.headers.get("www-authenticate")).toBe('Basic realm="usher"');
  };

  describe("grants an access token", () => {
    const expectGrant = ({ status, body, headers }: TokenAnswer, scope = "scim") => {
      expect([status, body], JSON.stringify(body)).toEqual([
        200,
        { access_token: expect.any(String), token_type: "Bearer", expires_in: 3600, scope },
      ]);
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("pragma")).toBe("no-cache");
      expect(headers.get("content-type")).toMatch(/^application\/json/);
    };

    it("to client_secret_post", async () => {
      expectGrant(await postAs(server, client));
    });

    it("to client_secret_basic, plain or form-encoded, whatever the letter case of the scheme", async () => {
      const { clientId, clientSecret } = client;
      expectGrant(await post(server, formOf({}), basic(clientId, clientSecret)));
      const encoded = (text: string) =>
        [...text].map((one) => `%${one.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
      const headers = basic(encoded(clientId), encoded(clientSecret));
      expectGrant(await post(server, formOf({}), { Authorization: headers.Authorization!.replace("Basic", "bAsIc ") }));
    });

    it("to the whole text of the token in place of the secret, which is what people have at hand", async () => {
      const whole = { clientId: client.clientId, clientSecret: tenant.scimToken };
      expectGrant(await postAs(server, whole));
      expectGrant(await post(server, formOf({}), basic(whole.clientId, whole.clientSecret)));
    });

    it("to a client that names itself in the form beside Basic", async () => {
      const answer = await post(
        server,
        formOf({ client_id: client.clientId }),
        basic(client.clientId, client.clientSecret),
      );
      expectGrant(answer);
    });

    it("with all scopes of the token, or those asked for, in any order", async () => {
      const wide = clientOf(await tenant.mint({ label: "wide", scopes: ["scim", "api", "access"] }));
      expectGrant(await postAs(server, wide), "scim api access");
      expectGrant(await postAs(server, wide, { scope: "access  scim access" }), "scim access");
      expectGrant(await postAs(server, wide, { scope: "api" }), "api");
    });

    it("and ignores parameters it does not know, those without a value, and several resources", async () => {
      const { clientId, clientSecret } = client;
      const form = formOf({ client_id: clientId, client_secret: clientSecret, audience: "x", scope: "" });
      expectGrant(await post(server, `${form}&resource=a&resource=b`));
      expectGrant(await post(server, form, { "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8" }));
      expectGrant(await post(server, form, {}, "/oauth/token?"));
    });

    it("that ends with the token, not after", async () => {
      const expiresAt = new Date(Date.now() + 600_000).toISOString();
      const short = clientOf(await tenant.mint({ label: "short", scopes: ["scim"], expiresAt }));
      const { body } = await postAs(server, short);
      expect(body.expires_in).toBeGreaterThan(500);
      expect(body.expires_in).toBeLessThanOrEqual(600);
      expect(decodeJwt(body.access_token).exp! * 1000).toBeLessThanOrEqual(Date.parse(expiresAt));
    });

    it("that says what RFC 9068 wants said, and nothing of the secret", async () => {
      const text = await accessTokenOf(server, tenant.scimToken);
      const { keys } = (await server.sender("")("GET", "/oauth/jwks")).body as { keys: { kid: string }[] };
      expect(decodeProtectedHeader(text)).toEqual({ alg: "ES256", typ: "at+jwt", kid: keys[0]!.kid });
      const claims = decodeJwt(text);
      expect(claims).toEqual({
        iss: server.origin,
        aud: server.origin,
        sub: client.clientId,
        client_id: client.clientId,
        iat: expect.any(Number),
        exp: claims.iat! + 3600,
        jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
        scope: "scim",
        tenant: tenant.id,
        token: parseToken(tenant.scimToken)!.tokenId,
        token_hash: expect.stringMatching(/^[\w-]{22}$/),
      });
      const again = decodeJwt(await accessTokenOf(server, tenant.scimToken));
      expect(again.jti).not.toBe(claims.jti);
      expect(JSON.stringify(claims)).not.toContain(client.clientSecret);
    });

    it("and notes the use of the token", async () => {
      const token = await tenant.mint({ label: "noted", scopes: ["scim"] });
      const lastUsedAt = async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const { body } = await tenant.api<{ tokens: { label: string; lastUsedAt: string | null }[] }>("GET", "/tokens");
        return body.tokens.find((one) => one.label === "noted")!.lastUsedAt;
      };
      expect(await lastUsedAt()).toBeNull();
      await accessTokenOf(server, token);
      expect(await lastUsedAt()).not.toBeNull();
    });
  });

  describe("answers 401 invalid_client", () => {
    it("in the same words to an unknown tenant, an unknown client and a wrong secret, in the form and as Basic", async () => {
      const text = parseToken(tenant.scimToken)!;
      const other = "0190a0b0-0000-7000-8000-000000000001";
      const { clientSecret } = client;
      const foreign = clientOf((await server.tenant()).scimToken);
      const wrong: Credentials[] = [
        { clientId: formatClientId({ ...text, tenantId: other }), clientSecret },
        { clientId: formatClientId({ ...text, tokenId: other }), clientSecret },
        { clientId: client.clientId, clientSecret: newTokenSecret() },
        { clientId: client.clientId, clientSecret: foreign.clientSecret },
        { clientId: foreign.clientId, clientSecret: tenant.scimToken },
        { clientId: client.clientId, clientSecret: clientSecret.slice(1) },
        { clientId: client.clientId, clientSecret: `${clientSecret}\0` },
        { clientId: client.clientId.toUpperCase(), clientSecret },
        { clientId: "x", clientSecret: "y" },
        { clientId: tenant.id, clientSecret },
        { clientId: tenant.scimToken, clientSecret },
        { clientId: "\u0000\ud7ff", clientSecret: "__proto__" },
      ];
      const answers = [];
      for (const { clientId, clientSecret: secret } of wrong) {
        answers.push(await postAs(server, { clientId, clientSecret: secret }));
        answers.push(await post(server, formOf({}), basic(encodeURIComponent(clientId), encodeURIComponent(secret))));
      }
      for (const answer of answers) expectRefusal(answer, 401, "invalid_client");
      expect(new Set(answers.map(({ text: words }) => words)).size).toBe(1);
    });

    it("to a revoked token and to the secret before a rotation", async () => {
      const minted = await tenant.api("POST", "/tokens", { label: "x", scopes: ["scim"] });
      const { id, token } = minted.body as { id: string; token: string };
      const rotated = await tenant.api("POST", `/tokens/${id}/rotate`, {});
      expectRefusal(await postAs(server, clientOf(token)), 401, "invalid_client");
      const current = clientOf(rotated.body.token as string);
      expect(current.clientId).toBe(rotated.body.clientId);
      expect((await postAs(server, current)).status).toBe(200);
      await tenant.api("DELETE", `/tokens/${id}`);
      expectRefusal(await postAs(server, current), 401, "invalid_client");
    });

    it("to an expired token, and says so to who knows its secret", async () => {
      const short = clientOf(
        await tenant.mint({ label: "x", scopes: ["scim"], expiresAt: "2099-01-01T00:00:00.500Z" }),
      );
      for (const [at, words] of [
        ["2099-01-01T00:00:00.500Z", /has expired/],
        ["2099-01-01T00:00:00.200Z", /about to expire/],
      ] as const) {
        now = new Date(at);
        try {
          const answer = await postAs(server, short);
          expectRefusal(answer, 401, "invalid_client");
          expect(answer.body.error_description).toMatch(words);
          expect((await postAs(server, { ...short, clientSecret: newTokenSecret() })).text).not.toMatch(/expire/);
        } finally {
          now = undefined;
        }
      }
    });

    it("to the token of a person who is not active", async () => {
      const made = await tenant.scim("POST", "/Users", {
        schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
        userName: "ada.client@example.com",
      });
      const token = await tenant.mint({ label: "ada", scopes: ["scim"], userId: made.body.id as string });
      expect((await postAs(server, clientOf(token))).status).toBe(200);
      await tenant.api("PATCH", `/users/${made.body.id}`, { suspended: true });
      expectRefusal(await postAs(server, clientOf(token)), 401, "invalid_client");
    });

    it.each([
      ["nothing", "", {}],
      ["an id alone", "client_id=x", {}],
      ["a secret alone", "client_secret=x", {}],
      ["an empty secret", "client_id=x&client_secret=", {}],
      ["another scheme", "", { Authorization: "Bearer x" }],
      ["Basic without credentials", "", { Authorization: "Basic" }],
      ["Basic that is not base64", "", { Authorization: "Basic ???" }],
      ["Basic without a colon", "", { Authorization: "Basic eHl6" }],
      ["Basic with broken percent-encoding", "", basic("%zz", "%")],
      ["an assertion", "client_assertion=x&client_assertion_type=y", {}],
    ])("to %s", async (_what, form, headers) => {
      expectRefusal(await post(server, `grant_type=client_credentials&${form}`, headers), 401, "invalid_client");
    });
  });

  describe("answers 400", () => {
    it("invalid_request to two ways of authentication at once, and to two names of the client", async () => {
      const { clientId, clientSecret } = client;
      const headers = basic(clientId, clientSecret);
      expectRefusal(
        await post(server, formOf({ client_id: clientId, client_secret: clientSecret }), headers),
        400,
        "invalid_request",
      );
      expectRefusal(await post(server, formOf({ client_secret: clientSecret }), headers), 400, "invalid_request");
      expectRefusal(await post(server, formOf({ client_id: "another" }), headers), 400, "invalid_request");
    });

    it.each(["grant_type", "client_id", "client_secret", "scope", "something"])(
      "invalid_request to %s given twice",
      async (name) => {
        const { clientId, clientSecret } = client;
        const form = formOf({ client_id: clientId, client_secret: clientSecret, scope: "scim", something: "x" });
        const value = new URLSearchParams(form).get(name)!;
        expectRefusal(await post(server, `${form}&${name}=${encodeURIComponent(value)}`), 400, "invalid_request");
      },
    );

    it("invalid_request without a grant type, and to credentials in the address", async () => {
      const { clientId, clientSecret } = client;
      expectRefusal(await post(server, ""), 400, "invalid_request");
      expectRefusal(await post(server, "grant_type="), 400, "invalid_request");
      const query = new URLSearchParams({ client_id: clientId, client_secret: clientSecret });
      expectRefusal(await post(server, formOf({}), {}, `/oauth/token?${query}`), 400, "invalid_request");
    });

    it.each([
      "password",
      "authorization_code",
      "refresh_token",
      "CLIENT_CREDENTIALS",
      "__proto__",
      "client_credentials ",
    ])("unsupported_grant_type to %j", async (grantType) => {
      expectRefusal(await postAs(server, client, { grant_type: grantType }), 400, "unsupported_grant_type");
    });

    it.each(["api", "scim api", "SCIM", "scim,api", "*", "scim\tapi", "constructor"])(
      "invalid_scope to %j, which the token does not have",
      async (scope) => {
        expectRefusal(await postAs(server, client, { scope }), 400, "invalid_scope");
      },
    );
  });

  it("takes forms only: another media type, or none, is 415", async () => {
    const { clientId: client_id, clientSecret: client_secret } = client;
    const json = JSON.stringify({ grant_type: "client_credentials", client_id, client_secret });
    for (const type of ["application/json", "text/plain", "multipart/form-data; boundary=x", "x/y"]) {
      expectRefusal(await post(server, json, { "Content-Type": type }), 415, "invalid_request");
    }
    const response = await fetch(`${server.origin}/oauth/token`, { method: "POST" });
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([415, "invalid_request"]);
  });

  it("refuses a body beyond 16 kB and bytes of any kind with a sentence", async () => {
    expectRefusal(await post(server, formOf({ x: "y".repeat(17_000) })), 413, "invalid_request");
    expectRefusal(await post(server, "a".repeat(16_000)), 400, "invalid_request");
    expectRefusal(await post(server, "%ff%fe=%00&&==&%"), 400, "invalid_request");
    expectRefusal(await post(server, formOf({}), { "Content-Encoding": "nonsense" }), 415, "invalid_request");
    const many = Array.from({ length: 2000 }, (_, i) => `p${i}=`).join("&");
    expectRefusal(await post(server, many), 400, "invalid_request");
  });

  it("answers whatever it is sent with an OAuth error of 4xx, and goes on", async () => {
    const name = fc.constantFrom("grant_type", "client_id", "client_secret", "scope", "__proto__", "resource");
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "client_credentials",
        client.clientId,
        client.clientSecret.slice(1),
        tenant.scimToken.slice(0, -1),
      ),
    );
    const pair = fc.tuple(name, value).map(([one, other]) => `${one}=${encodeURIComponent(other.toWellFormed())}`);
    const form = fc.oneof(
      fc.string(),
      fc.array(pair, { maxLength: 8 }).map((pairs) => pairs.join("&")),
    );
    const header = fc.oneof(
      fc.constant({}),
      fc.base64String().map((text) => ({ Authorization: `Basic ${text}` })),
      fc.tuple(fc.string(), fc.string()).map(([user, password]) => basic(user, password)),
    );
    const property = fc.asyncProperty(form, header, async (body, headers) => {
      const { status, body: answer } = await post(server, body, headers);
      expect([400, 401]).toContain(status);
      expect(answer.error).toMatch(/^(invalid_request|invalid_client|unsupported_grant_type)$/);
    });
    await fc.assert(property, { numRuns: 300 });
    expect((await postAs(server, client)).status).toBe(200);
  });

  it.each([
    ["GET", "/oauth/token", "POST"],
    ["PUT", "/oauth/token", "POST"],
    ["POST", "/oauth/jwks", "GET, HEAD"],
  ])("%s %s is 405 and names what is taken", async (method, path, allow) => {
    const { status, headers, body } = await server.sender("")(method, path);
    expect([status, headers.get("allow"), body.error]).toEqual([405, allow, "invalid_request"]);
  });

  it("is 503 with Retry-After while the database is away, never 401", async () => {
    const { createApp } = await import("../../src/http/app.ts");
    const { createOauthRouters } = await import("../../src/http/oauth.ts");
    const { listen } = await import("../../src/http/server.ts");
    const query = () => Promise.reject(new Error("connection lost"));
    const db = { ...server.deps.db, query };
    const routers = createOauthRouters({ ...server.deps, db });
    const app = createApp({ database: getDb(), log: createLogger("silent"), newId: server.deps.newId, routers });
    const listening = await listen(app, { host: "127.0.0.1", port: 0 });
    try {
      const answer = await postAs(listening, client);
      expectRefusal(answer, 503, "temporarily_unavailable");
      expect(answer.headers.get("retry-after")).toBe("5");
    } finally {
      await listening.stop();
    }
  });

  it("publishes the public half of its keys, and nothing of the private one", async () => {
    await accessTokenOf(server, tenant.scimToken);
    const { status, body } = await server.sender("")("GET", "/oauth/jwks");
    expect(status).toBe(200);
    const { keys } = body as { keys: object[] };
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      const text = expect.any(String);
      expect(key).toEqual({ kty: "EC", crv: "P-256", x: text, y: text, kid: text, alg: "ES256", use: "sig" });
    }
  });

  it("says where everything is (RFC 8414)", async () => {
    const { status, body } = await server.sender("")("GET", "/.well-known/oauth-authorization-server");
    expect([status, body]).toEqual([
      200,
      {
        issuer: server.origin,
        token_endpoint: `${server.origin}/oauth/token`,
        jwks_uri: `${server.origin}/oauth/jwks`,
        scopes_supported: ["scim", "api", "access"],
        response_types_supported: ["none"],
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      },
    ]);
    expect((await server.sender("")("GET", "/.well-known/nothing")).status).toBe(404);
    expect((await server.sender("")("GET", "/oauth/nothing")).status).toBe(404);
  });

  it("POST /tokens names the client", async () => {
    const { body } = await tenant.api("POST", "/tokens", { label: "PingOne", scopes: ["scim"] });
    expect(body.clientId).toBe(clientOf(body.token as string).clientId);
    expect(body.token).toContain(body.clientId);
  });

  it("writes neither secrets nor access tokens into its log", async () => {
    lines.length = 0;
    const access = await accessTokenOf(server, tenant.scimToken);
    await postAs(server, { ...client, clientSecret: newTokenSecret() });
    await post(server, formOf({}), basic(client.clientId, client.clientSecret));
    await server.sender("/scim/v2", access)("GET", "/Users");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const log = lines.join("");
    expect(log).toContain("/oauth/token");
    for (const secret of [client.clientSecret, access, access.split(".")[2]!]) expect(log).not.toContain(secret);
  });
});

describeOnBoth("the rate of POST /oauth/token", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    const limiter = new RateLimiter({ perSecond: 5, burst: 10 }, () => 0);
    server = await startServer(getDb(), { limiter });
  });
  afterAll(() => server.close());

  const count = (answers: readonly TokenAnswer[], status: number) =>
    answers.filter((answer) => answer.status === status).length;

  it("is that of the token, for its requests and those for access tokens together", async () => {
    const { scimToken, scim } = await server.tenant();
    const answers = await Promise.all(Array.from({ length: 12 }, () => postAs(server, clientOf(scimToken))));
    expect([count(answers, 200), count(answers, 429)]).toEqual([10, 2]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body.error).toBe("temporarily_unavailable");
    expect(refused.headers.get("retry-after")).toBe("1");
    expect((await scim("GET", "/Users")).status).toBe(429);
  });

  it("is low for an address that guesses secrets, and leaves those alone who know theirs", async () => {
    const client = clientOf((await server.tenant()).scimToken);
    const guess = () => postAs(server, { ...client, clientSecret: newTokenSecret() });
    const guesses = await Promise.all(Array.from({ length: 110 }, guess));
    expect([count(guesses, 401), count(guesses, 429)]).toEqual([100, 10]);
    expect((await postAs(server, client)).status).toBe(200);
  });
});

describeOnBoth("the issuer", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb(), { publicUrl: "https://usher.example.com" });
  });
  afterAll(() => server.close());

  it("is the configured address, whatever Host says", async () => {
    const { scimToken } = await server.tenant();
    const { body } = await server.sender("")("GET", "/.well-known/oauth-authorization-server");
    expect(body).toMatchObject({
      issuer: "https://usher.example.com",
      token_endpoint: "https://usher.example.com/oauth/token",
    });
    const access = await accessTokenOf(server, scimToken);
    expect(decodeJwt(access)).toMatchObject({ iss: "https://usher.example.com", aud: "https://usher.example.com" });
    expect((await server.sender("/scim/v2", access)("GET", "/Users")).status).toBe(200);
  });
});
