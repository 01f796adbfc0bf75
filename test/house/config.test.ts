import { describe, expect, it } from "vitest";
import { readConfig, variables } from "../../src/config.ts";

const complete = {
  DATABASE_URL: "postgres://usher:password@localhost:5432/usher",
  USHER_OPERATOR_TOKEN: "o".repeat(32),
  USHER_SECRET: "0f".repeat(32),
};

function mistakesOf(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("was accepted");
}

describe("the configuration", () => {
  it("needs nothing: it then means the embedded database and loopback", () => {
    expect(readConfig({})).toEqual({
      host: "127.0.0.1",
      port: 8080,
      databaseUrl: undefined,
      databaseConnections: 10,
      dataDir: "./data",
      operatorToken: undefined,
      secret: undefined,
      publicUrl: undefined,
      dnsServers: [],
      rate: { perSecond: 100, burst: 1000 },
      logLevel: "info",
    });
  });

  it("takes an empty variable for an absent one", () => {
    expect(readConfig({ PORT: "", DATABASE_URL: " " })).toEqual(readConfig({}));
  });

  it("reads every variable", () => {
    expect(
      readConfig({
        ...complete,
        PORT: "0",
        HOST: "0.0.0.0",
        USHER_DATABASE_CONNECTIONS: "3",
        USHER_DATA_DIR: "/d",
        USHER_PUBLIC_URL: "https://usher.example.com/base/",
        USHER_DNS_SERVERS: "9.9.9.9, 127.0.0.1:5353,[2620:fe::fe]:53,2620:fe::9",
        USHER_RATE_LIMIT: "0",
        USHER_RATE_BURST: "1",
        LOG_LEVEL: "warn",
      }),
    ).toEqual({
      host: "0.0.0.0",
      port: 0,
      databaseUrl: complete.DATABASE_URL,
      databaseConnections: 3,
      dataDir: "/d",
      operatorToken: complete.USHER_OPERATOR_TOKEN,
      secret: Buffer.from(complete.USHER_SECRET, "hex"),
      publicUrl: "https://usher.example.com/base",
      dnsServers: ["9.9.9.9", "127.0.0.1:5353", "[2620:fe::fe]:53", "2620:fe::9"],
      rate: { perSecond: 0, burst: 1 },
      logLevel: "warn",
    });
  });

  it("takes the secret in hex and in base64", () => {
    const secret = Buffer.alloc(32, 7);
    for (const text of [secret.toString("hex"), secret.toString("base64"), secret.toString("base64url")]) {
      expect(readConfig({ ...complete, USHER_SECRET: text }).secret).toEqual(secret);
    }
  });

  it("reports every mistake at once, each with its variable and an example", () => {
    const message = mistakesOf({
      PORT: "eighty",
      DATABASE_URL: "mysql://localhost/usher",
      USHER_DATABASE_CONNECTIONS: "0",
      USHER_OPERATOR_TOKEN: "short",
      USHER_PUBLIC_URL: "usher.example.com",
      LOG_LEVEL: "loud",
    });
    expect(message.split("\n").slice(1)).toEqual([
      "  PORT is not a whole number. Example: 8080",
      "  DATABASE_URL is not the URL of a PostgreSQL database. Example: postgres://usher:password@localhost:5432/usher",
      "  USHER_DATABASE_CONNECTIONS lies outside 2 to 1000. Example: 20",
      "  USHER_OPERATOR_TOKEN is shorter than 32 characters. Example: the output of: openssl rand -hex 32",
      "  USHER_SECRET is required with DATABASE_URL. Example: the output of: openssl rand -hex 32",
      "  USHER_PUBLIC_URL is not an http or https URL. Example: https://usher.example.com",
      "  LOG_LEVEL is not one of fatal, error, warn, info, debug, trace, silent. Example: warn",
    ]);
  });

  it.each([
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["USHER_RATE_LIMIT", "-1"],
    ["USHER_RATE_LIMIT", "unlimited"],
    ["USHER_RATE_BURST", "0"],
    ["USHER_DNS_SERVERS", "dns.example.com"],
    ["USHER_DNS_SERVERS", "9.9.9.9,"],
    ["USHER_DNS_SERVERS", "9.9.9.9:65536"],
    ["USHER_DNS_SERVERS", "[9.9.9.9]:53"],
    ["USHER_SECRET", "00".repeat(31)],
    ["USHER_SECRET", "correct horse battery staple"],
    ["USHER_OPERATOR_TOKEN", `${"o".repeat(32)} with spaces`],
    ["USHER_PUBLIC_URL", "https://usher.example.com/?a=b"],
    ["USHER_PUBLIC_URL", "https://user:password@usher.example.com"],
  ])("refuses %s=%s, without repeating the value", (name, value) => {
    const message = mistakesOf({ ...complete, [name]: value });
    expect(message).toContain(`  ${name} `);
    if (value.length > 10) expect(message).not.toContain(value);
  });

  it("wants the operator's token and the secret with a shared database", () => {
    const message = mistakesOf({ DATABASE_URL: complete.DATABASE_URL });
    expect(message).toContain("USHER_OPERATOR_TOKEN is required with DATABASE_URL");
    expect(message).toContain("USHER_SECRET is required with DATABASE_URL");
  });

  it("has an example for every variable that it would itself accept", () => {
    const secret = "0f".repeat(32);
    const env = variables.map(({ name, example }) => [name, example.startsWith("the output of") ? secret : example]);
    expect(() => readConfig(Object.fromEntries(env))).not.toThrow();
  });
});
