/** The schema documents against the listings of RFC 7643 §8.7.1, characteristic by characteristic. */
import { describe, expect, it } from "vitest";
import enterpriseUser from "../../schemas/EnterpriseUser.json" with { type: "json" };
import group from "../../schemas/Group.json" with { type: "json" };
import user from "../../schemas/User.json" with { type: "json" };

/**
 * The listings, a line an attribute. What is not said is usual: a string, single, optional, caseExact false, readWrite,
 * returned by default, uniqueness none. `a|b` are canonical values, `->` leads to the types referred to.
 */
const listings: readonly (readonly [string, { readonly attributes: readonly Document[] }, string])[] = [
  [
    "User",
    user as { attributes: Document[] },
    `userName required server
    name complex
    name.formatted
    name.familyName
    name.givenName
    name.middleName
    name.honorificPrefix
    name.honorificSuffix
    displayName
    nickName
    profileUrl reference ->external
    title
    userType
    preferredLanguage
    locale
    timezone
    active boolean
    password writeOnly never
    emails complex list
    emails.value
    emails.display
    emails.type work|home|other
    emails.primary boolean
    phoneNumbers complex list
    phoneNumbers.value
    phoneNumbers.display
    phoneNumbers.type work|home|mobile|fax|pager|other
    phoneNumbers.primary boolean
    ims complex list
    ims.value
    ims.display
    ims.type aim|gtalk|icq|xmpp|msn|skype|qq|yahoo
    ims.primary boolean
    photos complex list
    photos.value reference ->external
    photos.display
    photos.type photo|thumbnail
    photos.primary boolean
    addresses complex list
    addresses.formatted
    addresses.streetAddress
    addresses.locality
    addresses.region
    addresses.postalCode
    addresses.country
    addresses.type work|home|other
    addresses.primary boolean
    groups complex list readOnly
    groups.value readOnly
    groups.$ref reference readOnly ->User,Group
    groups.display readOnly
    groups.type readOnly direct|indirect
    entitlements complex list
    entitlements.value
    entitlements.display
    entitlements.type
    entitlements.primary boolean
    roles complex list
    roles.value
    roles.display
    roles.type
    roles.primary boolean
    x509Certificates complex list
    x509Certificates.value binary
    x509Certificates.display
    x509Certificates.type
    x509Certificates.primary boolean`,
  ],
  [
    "Group",
    group as { attributes: Document[] },
    `displayName
    members complex list
    members.value immutable
    members.$ref reference immutable ->User,Group
    members.type immutable User|Group`,
  ],
  [
    "EnterpriseUser",
    enterpriseUser as { attributes: Document[] },
    `employeeNumber
    costCenter
    organization
    division
    department
    manager complex
    manager.value
    manager.$ref reference ->User
    manager.displayName readOnly`,
  ],
];

/** Where we say something else, and why. */
const deviations: Readonly<Record<string, string>> = {
  "password caseExact": "letter case counts in a password (RFC 8265 §4.2.2)",
  "profileUrl caseExact": "RFC 7643 §2.3.7: a reference is case exact; the listing forgets it",
  "photos.value caseExact": "§2.3.7",
  "groups.$ref caseExact": "§2.3.7",
  "members.$ref caseExact": "§2.3.7",
  "manager.$ref caseExact": "§2.3.7",
  "x509Certificates.value caseExact": "§2.3.6: a binary value is case exact; the listing forgets it",
  "displayName required": "§4.2: the name of a group is REQUIRED; the listing says so in words only",
  "displayName uniqueness": "TEAM-5: names of groups are unique in a tenant",
};

interface Document {
  readonly name: string;
  readonly subAttributes?: readonly Document[];
  readonly [characteristic: string]: unknown;
}

type Characteristics = Readonly<Record<string, unknown>>;

function fromListing(line: string): [string, Characteristics] {
  const [name = "", ...words] = line.trim().split(" ");
  const among = (known: readonly string[], usual: string) => words.find((word) => known.includes(word)) ?? usual;
  const type = among(["complex", "boolean", "reference", "binary"], "string");
  return [
    name,
    {
      type,
      multiValued: words.includes("list"),
      required: words.includes("required"),
      caseExact: type === "complex" || type === "boolean" ? undefined : false,
      mutability: among(["readOnly", "immutable", "writeOnly"], "readWrite"),
      returned: among(["never"], "default"),
      uniqueness: among(["server"], "none"),
      canonicalValues: words.find((word) => word.includes("|"))?.split("|"),
      referenceTypes: words
        .find((word) => word.startsWith("->"))
        ?.slice(2)
        .split(","),
    },
  ];
}

function fromDocument(document: Document, parent = ""): [string, Document][] {
  const name = `${parent}${document.name}`;
  return [[name, document], ...(document.subAttributes ?? []).flatMap((sub) => fromDocument(sub, `${name}.`))];
}

describe("RFC 7643 §8.7.1", () => {
  const found = new Set<string>();

  it.each(listings)("%s has the attributes of the listing, in its order", (_name, document, listing) => {
    const ours = document.attributes.flatMap((attribute) => fromDocument(attribute)).map(([name]) => name);
    expect(ours).toEqual(listing.split("\n").map((line) => fromListing(line)[0]));
  });

  describe.each(listings)("%s", (_name, document, listing) => {
    const ours = new Map(document.attributes.flatMap((attribute) => fromDocument(attribute)));
    it.each(listing.split("\n").map(fromListing))("%s", (name, expected) => {
      for (const [characteristic, value] of Object.entries(expected)) {
        if (`${name} ${characteristic}` in deviations && !isSame(ours.get(name)?.[characteristic], value)) {
          found.add(`${name} ${characteristic}`);
          continue;
        }
        expect({ [characteristic]: ours.get(name)?.[characteristic] }).toEqual({ [characteristic]: value });
      }
    });
  });

  it("is deviated from nowhere else, and for a reason", () => {
    expect([...found].sort()).toEqual(Object.keys(deviations).sort());
  });
});

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
