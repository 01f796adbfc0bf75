/** Access tokens at the doors: what they prove, what ends them, and what is none. */
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { base64url, calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authenticate, prove } from "../../src/auth/authenticate.ts";
import { AccessTokens } from "../../src/auth/oauth/access-tokens.ts";
import { Recogniser } from "../../src/auth/recognise.ts";
import { Secret } from "../../src/auth/secret.ts";
import { formatClientId, parseToken } from "../../src/auth/token-text.ts";
import type { Database } from "../../src/db/database.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { accessTokenOf } from "./oauth.ts";

describeOnBoth("an access token", (getDb) => {
  let now: Date | undefined;
  let server: TestServer;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = await startServer(getDb(), { clock: () => now ?? new Date() });
    tenant = await server.tenant();
  });
  afterAll(() => server.close());

  const statusOf = async (token: string, base = "/scim/v2", path = "/Users") =>
    (await server.sender(base, token)("GET", path)).status;

  /** Moves the clock for the length of the body. */
  async function at<T>(time: number, body: () => Promise<T>): Promise<T> {
    now = new Date(time);
    try {
      return await body();
    } finally {
      now = undefined;
    }
  }

  describe("proves what its token proves", () => {
    it("at every door, within the scopes that were granted", async () => {
      const token = await tenant.mint({ label: "wide", scopes: ["scim", "api", "access"], role: "admin" });
      const doors = [
        ["/scim/v2", "/Users", "scim"],
        ["/api/v1", "/users", "api"],
      ] as const;
      const wide = await accessTokenOf(server, token);
      for (const [base, path] of doors) expect(await statusOf(wide, base, path)).toBe(200);
      for (const [base, path, scope] of doors) {
        const narrow = await accessTokenOf(server, token, { scope });
        expect(await statusOf(narrow, base, path)).toBe(200);
        for (const [otherBase, otherPath] of doors.filter((door) => door[0] !== base)) {
          expect(await statusOf(narrow, otherBase, otherPath)).toBe(403);
        }
      }
      const body = { subject: { type: "userName", id: "x" }, action: { name: "sign-in" } };
      const evaluate = async (scope: string) => {
        const access = await accessTokenOf(server, token, { scope });
        return (await server.sender("/access/v1", access)("POST", "/evaluation", body)).status;
      };
      expect([await evaluate("access"), await evaluate("scim")]).toEqual([200, 403]);
    });

    it("as the same principal", async () => {
      const token = await tenant.mint({ label: "Ping", scopes: ["scim", "api"], role: "manager" });
      const access = await accessTokenOf(server, token, { scope: "scim" });
      const own = await authenticate(server.deps, `Bearer ${token}`);
      expect(await authenticate(server.deps, `Bearer ${access}`)).toEqual({ ...own, scopes: ["scim"] });
    });

    it("and never more than the token has now", async () => {
      const token = await tenant.mint({ label: "x", scopes: ["scim", "api"] });
      const access = await accessTokenOf(server, token);
      const { tokenId } = parseToken(token)!;
      const text = "update tokens set scopes = '{api}' where tenant_id = $1 and id = $2";
      await getDb().query({ name: "test_narrow", text }, [tenant.id, tokenId]);
      expect((await authenticate(server.deps, `Bearer ${access}`)).scopes).toEqual(["api"]);
    });

    it("is not the operator, and opens no other tenant", async () => {
      const access = await accessTokenOf(server, tenant.adminToken);
      expect(await statusOf(access, "/api/v1", "/tenants")).toBe(403);
      const other = await server.tenant();
      const made = await other.scim("POST", "/Users", {
        schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
        userName: "theirs@example.com",
      });
      expect(await statusOf(access, "/api/v1", `/users/${made.body.id}`)).toBe(404);
    });
  });

  describe("ends", () => {
    const minted = async () => {
      const { body } = await tenant.api("POST", "/tokens", { label: "ends", scopes: ["scim"] });
      const token = body.token as string;
      const access = await accessTokenOf(server, token);
      // Twice: the second time the door knows it again.
      expect([await statusOf(access), await statusOf(access)]).toEqual([200, 200]);
      return { id: body.id as string, token, access };
    };

    it("LIF-1: with the revocation of its token, at once", async () => {
      const { id, access } = await minted();
      await tenant.api("DELETE", `/tokens/${id}`);
      expect(await statusOf(access)).toBe(401);
      expect(await statusOf(access, "/scim/v2", "/Users/no-id")).toBe(401);
    });

    it("with the rotation of its token, at once; one had for the new secret works", async () => {
      const { id, access } = await minted();
      const { body } = await tenant.api("POST", `/tokens/${id}/rotate`, {});
      expect(await statusOf(access)).toBe(401);
      expect(await statusOf(await accessTokenOf(server, body.token as string))).toBe(200);
    });

    it("with the expiry of its token, also where that was brought forward later", async () => {
      const { id, access } = await minted();
      const expiresAt = new Date(Date.now() + 60_000);
      const text = "update tokens set expires_at = $3 where tenant_id = $1 and id = $2";
      await getDb().query({ name: "test_expire", text }, [tenant.id, id, expiresAt.toISOString()]);
      expect(await statusOf(access)).toBe(200);
      expect(await at(expiresAt.getTime(), () => statusOf(access))).toBe(401);
    });

    it("with the person whom its token acts for", async () => {
      const { body } = await tenant.scim("POST", "/Users", {
        schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
        userName: "ada.access@example.com",
      });
      const token = await tenant.mint({ label: "ada", scopes: ["scim"], userId: body.id as string });
      const access = await accessTokenOf(server, token);
      expect([await statusOf(access), await statusOf(access)]).toEqual([200, 200]);
      await tenant.api("PATCH", `/users/${body.id}`, { suspended: true });
      expect(await statusOf(access)).toBe(401);
    });

    it("by itself, to the second, where it was known a moment ago and where it was not, and says so", async () => {
      const { access } = await minted();
      const end = decodeJwt(access).exp! * 1000;
      const fresh = await accessTokenOf(server, await tenant.mint({ label: "fresh", scopes: ["scim"] }));
      expect(await at(end - 1, () => statusOf(access))).toBe(200);
      for (const late of [access, fresh]) {
        const freshEnd = decodeJwt(late).exp! * 1000;
        for (const time of [freshEnd, freshEnd + 30_000, freshEnd + 86_400_000]) {
          const answer = await at(time, () => server.sender("/scim/v2", late)("GET", "/Users"));
          expect([answer.status, answer.body.detail]).toEqual([401, expect.stringContaining("expired")]);
          expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
        }
      }
    });
  });

  it("may come from a process whose clock is a minute ahead, not more", async () => {
    const access = await accessTokenOf(server, tenant.scimToken);
    const issuedAt = decodeJwt(access).iat! * 1000;
    const verify = (time: number) => at(time, () => server.deps.accessTokens.verify(access));
    expect(await verify(issuedAt - 60_000)).toMatchObject({ tenantId: tenant.id });
    expect(await verify(issuedAt - 61_000)).toBeUndefined();
  });

  it("is recognised: the second request asks nothing of the database before its own first statement", async () => {
    const access = await accessTokenOf(server, tenant.scimToken);
    const asked: string[] = [];
    const db: Database = {
      ...getDb(),
      query: (statement, values) => {
        asked.push(statement.name);
        return getDb().query(statement, values);
      },
    };
    const recogniser = new Recogniser({ ...server.deps, db });
    const own = { name: "own", text: "select 1 as one from tenants where id = $1 /*authorized*/" };
    for (let time = 0; time < 2; time++) {
      asked.length = 0;
      const recognition = await recogniser.recognise(`Bearer ${access}`);
      expect(await recognition.db.query(own, [tenant.id])).toEqual([{ one: 1 }]);
      await recognition.confirm();
    }
    expect(asked).toEqual(["own_as"]);
  });

  describe("is none, and answered 401 like any unknown token,", () => {
    let genuine: string;
    let claims: JWTPayload;
    let kid: string;
    let words: unknown;
    beforeAll(async () => {
      genuine = await accessTokenOf(server, tenant.scimToken);
      claims = decodeJwt(genuine);
      kid = decodeProtectedHeader(genuine).kid!;
      words = await wordsFor("usher_x.y.z");
    });

    const wordsFor = async (token: string) => {
      const { status, headers, body } = await server.sender("/scim/v2", token)("GET", "/Users");
      return { status, challenge: headers.get("www-authenticate"), detail: body.detail };
    };
    const expectNone = async (token: string) => {
      expect(await wordsFor(token)).toEqual(words);
      expect(words).toMatchObject({ status: 401 });
    };
    const encode = (value: object) => base64url.encode(JSON.stringify(value));
    const sign = async (payload: JWTPayload, header: object = {}) => {
      const { privateKey } = await server.deps.accessTokens.keys.current();
      return await new SignJWT(payload)
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid, ...header })
        .sign(privateKey);
    };

    it("where somebody could sign it with our own key, it would be one", async () => {
      expect(await statusOf(await sign(claims))).toBe(200);
    });

    it.each(["none", "None", "NONE", "nOnE"])("with the algorithm %s", async (alg) => {
      const head = encode({ alg, typ: "at+jwt", kid });
      const body = genuine.split(".")[1];
      await expectNone(`${head}.${body}.`);
      await expectNone(`${head}.${body}.${genuine.split(".")[2]}`);
    });

    it("with HS256 keyed by the public key, in any of its spellings", async () => {
      const { body } = await server.sender("")<{ keys: { kid: string }[] }>("GET", "/oauth/jwks");
      const jwk = body.keys.find((one) => one.kid === kid)!;
      const spki = createPublicKey({ key: { ...jwk }, format: "jwk" });
      const keys = [
        JSON.stringify(jwk),
        spki.export({ type: "spki", format: "pem" }),
        spki.export({ type: "spki", format: "der" }),
        "",
      ];
      const signed = `${encode({ alg: "HS256", typ: "at+jwt", kid })}.${encode(claims)}`;
      for (const key of keys) {
        await expectNone(`${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`);
      }
    });

    it("under a foreign key: with its own kid, with ours, without one, brought along in the header", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const jwk = publicKey.export({ format: "jwk" }) as { kty: "EC"; crv: string; x: string; y: string };
      const own = await calculateJwkThumbprint(jwk);
      const headers = [
        { kid: own },
        { kid },
        {},
        { kid: "../../etc/passwd" },
        { kid: "' or 1=1 --" },
        { kid: 7 },
        { kid: own, jwk },
        { kid: own, jku: "https://evil.example.com/jwks" },
        { kid: own, x5u: "https://evil.example.com/x5u" },
      ];
      for (const header of headers) {
        const text = await new SignJWT(claims)
          .setProtectedHeader({ alg: "ES256", typ: "at+jwt", ...(header as object) })
          .sign(privateKey);
        await expectNone(text);
      }
    });

    it("with another payload, header or signature, or cut short", async () => {
      const [head, body, signature] = genuine.split(".") as [string, string, string];
      const other = encode({ ...claims, scope: "scim api access" });
      const flipped = Buffer.from(signature, "base64url");
      flipped[0]! ^= 1;
      await expectNone(`${head}.${other}.${signature}`);
      await expectNone(`${encode({ alg: "ES256", typ: "at+jwt", kid, x: 1 })}.${body}.${signature}`);
      await expectNone(`${head}.${body}.${flipped.toString("base64url")}`);
      await expectNone(`${head}.${body}.`);
      await expectNone(`${head}.${body}`);
      await expectNone(`${head}..${signature}`);
      await expectNone(genuine.slice(0, -1));
      await expectNone(`${genuine}.${signature}`);
      await expectNone(`${head}.${body}.${Buffer.alloc(64).toString("base64url")}`);
    });

    it("of another type, which something else may have signed", async () => {
      for (const typ of ["JWT", "dpop+jwt", "", undefined]) await expectNone(await sign(claims, { typ }));
    });

    it("for another tenant than its client's, for a client that is gone, or without what it must say", async () => {
      const other = await server.tenant();
      const { tokenId } = parseToken(tenant.scimToken)!;
      await expectNone(await sign({ ...claims, tenant: other.id }));
      const foreign = { tenantId: other.id, tokenId };
      await expectNone(await sign({ ...claims, tenant: other.id, client_id: formatClientId(foreign) }));
      const theirs = parseToken(other.scimToken)!;
      const moved = { tenant: other.id, token: theirs.tokenId, client_id: formatClientId(theirs) };
      await expectNone(await sign({ ...claims, ...moved }));
      for (const name of ["tenant", "token", "client_id", "scope", "token_hash", "iss", "aud", "iat", "exp"]) {
        const { [name]: _gone, ...rest } = claims;
        await expectNone(await sign(rest));
        await expectNone(await sign({ ...claims, [name]: { toString: "x" } }));
      }
      await expectNone(await sign({ ...claims, token_hash: "" }));
    });

    it("of another installation: another database, or another secret over the same", async () => {
      const secret = new Secret("another secret");
      const theirs = new AccessTokens({ ...server.deps, secret });
      const digest = (await prove(server.deps, `Bearer ${tenant.scimToken}`)).digest!;
      const name = parseToken(tenant.scimToken)!;
      const grant = { ...name, digest, scopes: ["scim"], notAfter: null, issuer: server.origin };
      await expectNone((await theirs.issue(grant))!.text);
      // Neither has spoilt the other's keys.
      expect(await statusOf(genuine)).toBe(200);
      expect(await theirs.verify(genuine)).toBeUndefined();
    });
  });

  it("of another address is none, where this server's own is configured", async () => {
    const tokens = (publicUrl?: string) => new AccessTokens({ ...server.deps, publicUrl });
    const access = await accessTokenOf(server, tenant.scimToken);
    expect(await tokens(server.origin).verify(access)).toMatchObject({ tenantId: tenant.id });
    expect(await tokens("https://usher.example.com").verify(access)).toBeUndefined();
  });

  it("is 503 and not 401 while the keys cannot be read", async () => {
    const access = await accessTokenOf(server, tenant.scimToken);
    const db: Database = { ...getDb(), query: () => Promise.reject(new Error("connection lost")) };
    const accessTokens = new AccessTokens({ ...server.deps, db });
    const answer = authenticate({ ...server.deps, accessTokens }, `Bearer ${access}`);
    await expect(answer).rejects.toMatchObject({ code: "unavailable" });
  });
});
