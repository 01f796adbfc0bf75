/** The attribute table against the schema documents, and names that a hostile client would try. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { attributeAt, formatPath, resolveName, resourceType } from "../../src/vocabulary/attributes.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../src/vocabulary/urns.ts";

interface AttributeDocument {
  readonly [member: string]: unknown;
  readonly name: string;
  readonly type: string;
  readonly subAttributes?: readonly AttributeDocument[];
}

const folder = new URL("../../schemas/", import.meta.url);
const documents = readdirSync(folder)
  .filter((name) => /^[A-Z]\w+\.json$/.test(name))
  .map(
    (name) =>
      JSON.parse(readFileSync(new URL(name, folder), "utf8")) as {
        id: string;
        name: string;
        description: string;
        attributes: AttributeDocument[];
      },
  );
const all = (list: readonly AttributeDocument[]): AttributeDocument[] =>
  list.flatMap((one) => [one, ...all(one.subAttributes ?? [])]);

describe("the schema documents", () => {
  it.each(documents.map((document) => [document.name, document] as const))(
    "%s describe every characteristic (RFC 7643 §7)",
    (_, document) => {
      expect(document).toMatchObject({
        id: expect.stringMatching(/^urn:(ietf:params|okta):scim:schemas:/),
        description: expect.any(String),
      });
      for (const attribute of all(document.attributes)) {
        expect(attribute).toMatchObject({
          multiValued: expect.any(Boolean),
          description: expect.any(String),
          required: expect.any(Boolean),
        });
        expect(["readOnly", "readWrite", "immutable", "writeOnly"]).toContain(attribute.mutability);
        expect(["always", "never", "default", "request"]).toContain(attribute.returned);
        expect(["none", "server", "global"]).toContain(attribute.uniqueness);
        if (attribute.type === "complex") expect(attribute.subAttributes?.length).toBeGreaterThan(0);
        if (attribute.type === "string") expect(attribute.caseExact).toEqual(expect.any(Boolean));
        if (attribute.type === "reference") expect(attribute.referenceTypes).toEqual(expect.any(Array));
      }
    },
  );

  it("hold no null: clients of /Schemas choke on one", () => {
    expect(JSON.stringify(documents)).not.toContain("null");
  });

  it("let nobody write below what is read-only", () => {
    for (const document of documents) {
      for (const attribute of document.attributes) {
        if (attribute.mutability !== "readOnly") continue;
        expect((attribute.subAttributes ?? []).filter((sub) => sub.mutability !== "readOnly")).toEqual([]);
      }
    }
  });
});

describe("resolveName", () => {
  const path = (name: string) => {
    const found = resolveName("User", name);
    return found.kind === "attribute" ? formatPath(found.path) : found.kind;
  };

  it.each([
    ["userName", "userName"],
    ["USERNAME", "userName"],
    ["name.GIVENNAME", "name.givenName"],
    ["id", "id"],
    ["externalid", "externalId"],
    ["meta.lastmodified", "meta.lastModified"],
    ["groups.$REF", "groups.$ref"],
    [`${USER}:emails.value`, "emails.value"],
    [`${ENTERPRISE_USER}:manager.displayName`, `${ENTERPRISE_USER}:manager.displayName`],
    [`${ENTERPRISE_USER}.manager`, `${ENTERPRISE_USER}:manager`],
    ["manager", `${ENTERPRISE_USER}:manager`],
    ["urn:scim:schemas:extension:enterprise:2.0:department", `${ENTERPRISE_USER}:department`],
    ["urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department", `${ENTERPRISE_USER}:department`],
    ["urn:scim:schemas:core:2.0:userName", "userName"],
    ["urn:scim:schemas:core:2.0:user:userName", "userName"],
    ["urn:scim:schemas:core:1.0", "schema"],
    ["urn:scim:schemas:core:2.0:members", "unknown"],
    ["urn:scim:schemas:core:3.0:userName", "foreign"],
    [USHER_USER.toUpperCase(), "schema"],
    ["urn:example:2.0:User:x", "foreign"],
    [`${USER}X:userName`, "foreign"],
    ["department", "unknown"],
    ["managers", "unknown"],
    ["userName.value", "unknown"],
    ["name.", "unknown"],
    [`${USER}:`, "unknown"],
    ["", "unknown"],
  ])("%s is %s", (name, expected) => {
    expect(path(name)).toBe(expected);
  });

  it.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"])(
    "%s is nothing, at any depth",
    (name) => {
      for (const text of [
        name,
        `name.${name}`,
        `${USER}:${name}`,
        `${ENTERPRISE_USER}:manager.${name}`,
        `${name}.${name}`,
      ]) {
        expect(path(text)).toBe("unknown");
      }
      expect(attributeAt({ schema: name, attribute: name })).toBeUndefined();
      expect(attributeAt({ schema: USER, attribute: "name", sub: name })).toBeUndefined();
    },
  );

  it("finds the attributes of groups only in groups", () => {
    expect(resolveName("Group", "members.value").kind).toBe("attribute");
    expect(resolveName("Group", "userName").kind).toBe("unknown");
    expect(resolveName("Group", "manager").kind).toBe("unknown");
    expect(resourceType("Group").extensions).toHaveLength(1);
  });
});
