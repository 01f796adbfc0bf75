/** The CLI as a client of the management API: it needs a running server and has no other way to the data. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { StartRefused } from "../start-refused.ts";

export interface ApiClient {
  /** Sends a request as the bearer of the token; a refusal is thrown with the sentence of its problem. */
  send<Answer>(method: string, path: string, body?: object): Promise<Answer>;
}

export function connectApi(origin: string, token: string): ApiClient {
  return {
    async send<Answer>(method: string, path: string, body?: object) {
      const response = await reach(origin, `${origin}/api/v1${path}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...(body ? { "Content-Type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await response.text();
      if (!response.ok) throw new StartRefused(explain(response.status, text));
      return (text === "" ? undefined : JSON.parse(text)) as Answer;
    },
  };
}

/** Where a server of this configuration listens. */
export function originOf(config: Config): string {
  const host = ["0.0.0.0", "::"].includes(config.host) ? "127.0.0.1" : config.host;
  return `http://${host.includes(":") ? `[${host}]` : host}:${config.port}`;
}

export function readOperatorToken(config: Config): string {
  if (config.operatorToken !== undefined) return config.operatorToken;
  const file = join(config.dataDir, "operator-token");
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    throw new StartRefused(`There is no operator token: set USHER_OPERATOR_TOKEN, or run where ${file} lies.`);
  }
}

async function reach(origin: string, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw new StartRefused(`No server answers at ${origin}. Start it with npm start, or name it with --url.`, {
      cause: error,
    });
  }
}

function explain(status: number, text: string): string {
  try {
    return (JSON.parse(text) as { detail: string }).detail;
  } catch {
    return `The server answered ${status}.`;
  }
}
