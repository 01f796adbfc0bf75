/** openapi.yaml as the router needs it: its operations, each with where it lives and what it asks of the caller. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { Permission } from "../domain/model.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** As in the document: `/api/v1/users/{id}`. */
  readonly path: string;
  /** What the token must be for; `operator`: the operator's token. */
  readonly scope: "operator" | "api" | "access";
  /** Permissions of which the caller must hold one; empty: the scope is enough. */
  readonly permissions: readonly Permission[];
  /** Whether it takes a file instead of JSON. */
  readonly takesCsv: boolean;
}

interface DocumentOperation {
  readonly operationId: string;
  readonly "x-scope": Operation["scope"];
  readonly "x-permission": "none" | Permission | readonly Permission[];
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> };
}

/** The document itself, for the validator and for tests. */
export const apiDocument = parse(readFileSync(new URL("../../openapi.yaml", import.meta.url), "utf8"));

const methods: readonly Method[] = ["get", "post", "put", "patch", "delete"];

/** Every operation, in the document's order. */
export const operations: readonly Operation[] = Object.entries<Record<string, DocumentOperation>>(
  apiDocument.paths,
).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method];
    if (operation === undefined) return [];
    const needs = operation["x-permission"];
    const permissions = needs === "none" ? [] : typeof needs === "string" ? [needs] : needs;
    const takesCsv = "text/csv" in (operation.requestBody?.content ?? {});
    return [{ id: operation.operationId, method, path, scope: operation["x-scope"], permissions, takesCsv }];
  }),
);
