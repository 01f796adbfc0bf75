import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as OpenApiValidator from "express-openapi-validator";
import { describe, expect, it } from "vitest";
import { apiDocument, operations } from "../../src/admin/api-document.ts";
import { isPermissionName, permissionCatalogue } from "../../src/domain/permissions.ts";
import { type ProblemCode, problemKind } from "../../src/problems.ts";

const described = operations.map((operation) => ({
  ...operation,
  ...apiDocument.paths[operation.path][operation.method],
}));

describe("openapi.yaml", () => {
  it("is a valid OpenAPI document", async () => {
    const [first] = OpenApiValidator.middleware({ apiSpec: structuredClone(apiDocument), validateApiSpec: true });
    await new Promise<void>((resolve, reject) => {
      const req = { app: { param() {} }, originalUrl: "/", path: "/", baseUrl: "", method: "GET" };
      (first as (...args: unknown[]) => unknown)(req, {}, (error: unknown) => (error ? reject(error) : resolve()));
    });
  });

  it("has an id of its own for every operation", () => {
    const ids = operations.map((operation) => operation.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(described)("$operationId says what it is, when to use it and what it needs", (operation) => {
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    expect(operation.description).toMatch(/Use (it|`)/);
    expect(["operator", "api", "access"]).toContain(operation.scope);
    for (const permission of operation.permissions) {
      expect(permissionCatalogue.map(({ name }) => name)).toContain(permission.replace(/:own-teams$/, ""));
      expect(isPermissionName(permission)).toBe(true);
    }
    if (operation.scope === "api") expect(operation.permissions).not.toEqual([]);
  });

  it.each(described)("$operationId lists problems that the catalogue knows", (operation) => {
    const codes = operation["x-problems"] as ProblemCode[];
    for (const code of codes) expect(problemKind(code), code).toBeDefined();
    expect(codes).toContain("unauthorized");
    expect(codes).toContain("forbidden");
    expect(operation.responses).toHaveProperty("default");
  });

  it("takes a text in a query as people write it, such as an address with its @", () => {
    interface Parameter {
      readonly name: string;
      readonly in: string;
      readonly allowReserved?: boolean;
      readonly schema: { readonly type?: string; readonly pattern?: string };
    }
    const parameters: Parameter[] = [
      ...described.flatMap((operation) => operation.parameters ?? []),
      ...Object.values<Parameter>(apiDocument.components.parameters),
    ];
    const texts = parameters.filter(
      (parameter) => parameter.in === "query" && parameter.schema.type === "string" && !parameter.schema.pattern,
    );
    expect(texts.length).toBeGreaterThan(5);
    expect(texts.filter(({ allowReserved }) => !allowReserved).map(({ name }) => name)).toEqual([]);
  });

  it("gives an example of every answer and every body, and they are valid", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(apiDocument, "openapi");
    const checked: string[] = [];
    const check = (pointer: string[], node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      const { schema, example } = node as { schema?: unknown; example?: unknown };
      if (schema !== undefined && pointer.some((part) => part.includes("json"))) {
        const at = pointer
          .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
          .join("/");
        expect(example, `${pointer.join(" ")} has an example`).toBeDefined();
        const validate = ajv.compile({ $ref: `openapi#/${at}/schema` });
        expect(validate(example), `${pointer.join(" ")}: ${ajv.errorsText(validate.errors)}`).toBe(true);
        checked.push(at);
      }
      for (const [name, inner] of Object.entries(node)) if (name !== "schemas") check([...pointer, name], inner);
    };
    check([], apiDocument);
    expect(checked.length).toBeGreaterThan(operations.length);
  });
});

describe("schemas/mapping.schema.json", () => {
  it("says what openapi.yaml says of the mapping", () => {
    const file = JSON.parse(readFileSync(new URL("../../schemas/mapping.schema.json", import.meta.url), "utf8"));
    const resolve = (root: Record<string, never>, node: unknown): unknown => {
      if (Array.isArray(node)) return node.map((item) => resolve(root, item));
      if (typeof node !== "object" || node === null) return node;
      const { $ref, description: _description, ...rest } = node as Record<string, unknown>;
      if (typeof $ref === "string") {
        const parts = $ref.slice(2).split("/");
        return resolve(
          root,
          parts.reduce<Record<string, never>>((inner, name) => inner[name]!, root),
        );
      }
      return Object.fromEntries(Object.entries(rest).map(([name, item]) => [name, resolve(root, item)]));
    };
    const { $schema, $defs, title, ...document } = file;
    expect(resolve(file, document)).toEqual(resolve(apiDocument, apiDocument.components.schemas.MappingDocument));
  });
});
