/** Bulk requests for tests. */
import { expect } from "vitest";
import type { Client, Told } from "./door.ts";

export const BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
export const BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

export interface Ended {
  readonly method?: string;
  readonly bulkId?: string;
  readonly version?: string;
  readonly location?: string;
  readonly status: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
  readonly response?: any;
}

/** Sends operations and returns what became of them; the envelope has to be taken. */
export async function bulk(client: Client, Operations: readonly unknown[], more: object = {}): Promise<Ended[]> {
  const answer = await sendBulk(client, Operations, more);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.schemas).toEqual([BULK_RESPONSE]);
  return answer.body.Operations;
}

export async function sendBulk(client: Client, Operations: unknown, more: object = {}): Promise<Told> {
  return await client.post("/Bulk", { schemas: [BULK_REQUEST], Operations, ...more });
}

export function post(path: string, bulkId: string, data: object): object {
  return { method: "POST", path, bulkId, data };
}

export function statuses(ended: readonly Ended[]): string[] {
  return ended.map(({ status }) => status);
}

/** The id at the end of an operation's location. */
export function idOf({ location }: Ended | undefined = { status: "" }): string {
  return location?.split("/").at(-1) ?? "";
}
