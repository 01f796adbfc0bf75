/** What every chapter needs: who speaks to the server, and who is who. */
import { type Client, connect } from "./client.ts";
import type { Server } from "./server.ts";
import type { Story } from "./story.ts";

export interface Stage {
  readonly story: Story;
  /** The customer's IT admin, at the management API. */
  readonly admin: Client;
  readonly entra: Client;
  readonly okta: Client;
  /** The product that people sign in to. */
  readonly product: Client;
  /** Remembers somebody or something under the name that the story uses. */
  meet(name: string, id: string): void;
  id(name: string): string;
  /** Deletes the tenant. */
  strike(): Promise<void>;
}

/** A tenant with a few seats, and a token for each who speaks. */
export async function setTheStage(server: Server, story: Story): Promise<Stage> {
  const speak = (name: string, path: string, token: string, more: { agent?: string; scim?: boolean } = {}) =>
    connect(story, {
      name,
      base: server.origin + path,
      token,
      headers: {
        ...(more.scim ? { Accept: "application/scim+json" } : {}),
        ...(more.agent ? { "User-Agent": more.agent } : {}),
      },
      contentType: more.scim ? "application/scim+json; charset=utf-8" : "application/json",
    });

  story.chapter("Before work");
  story.step("The vendor makes a tenant for a new customer, with 3 standard seats and 1 pro seat");
  const operator = speak("operator", "/api/v1", server.operatorToken);
  const tenant = await operator.ask<{ id: string; slug: string; adminToken: string }>(
    {
      method: "POST",
      path: "/tenants",
      body: { name: "Northwind", slug: `northwind-${Date.now().toString(36)}`, seats: { standard: 3, pro: 1 } },
    },
    { status: 201, holds: { preset: "default" }, say: ({ slug }) => `tenant ${slug}, with a token for its Admin` },
  );
  story.name(tenant.id, "tenant");

  story.step("The Admin mints a token for each connection; without a role none of them can make an administrator");
  const admin = speak("admin", "/api/v1", tenant.adminToken);
  const mint = async (label: string, scopes: readonly string[], role: string | null) => {
    const request = { method: "POST", path: "/tokens", body: { label, scopes, role } };
    const minted = await admin.ask<{ token: string }>(request, {
      status: 201,
      holds: { label, role },
      say: "shown once",
    });
    return minted.token;
  };
  const entra = speak("Entra", "/scim/v2", await mint("Entra ID", ["scim"], null), { scim: true });
  const okta = speak("Okta", "/scim/v2", await mint("Okta", ["scim"], null), {
    scim: true,
    agent: "Okta SCIM Client 1.0.0",
  });
  const product = speak("product", "/access/v1", await mint("Product", ["access"], null));

  const ids = new Map<string, string>();
  return {
    story,
    admin,
    entra,
    okta,
    product,
    meet(name, id) {
      ids.set(name, id);
      story.name(id, name);
    },
    id(name) {
      return ids.get(name) ?? story.fail(`nobody has met ${name} yet`);
    },
    async strike() {
      const headers = { Authorization: `Bearer ${server.operatorToken}` };
      // What went wrong before is worth more than a tenant left behind.
      await fetch(`${server.origin}/api/v1/tenants/${tenant.id}`, { method: "DELETE", headers }).catch(() => {});
    },
  };
}
