/** The URNs of RFC 7643 and 7644 and Usher's own, each under one name. */

export const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
export const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
export const ROLE = "urn:ietf:params:scim:schemas:core:2.0:Role";
export const ENTITLEMENT = "urn:ietf:params:scim:schemas:core:2.0:Entitlement";
export const OKTA_ROLE = "urn:okta:scim:schemas:core:1.0:Role";
export const OKTA_ENTITLEMENT = "urn:okta:scim:schemas:core:1.0:Entitlement";
export const ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const USHER_USER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
export const USHER_GROUP = "urn:ietf:params:scim:schemas:extension:usher:2.0:Group";
export const USHER_ERROR = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";
export const PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
export const BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
export const BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/**
 * Other spellings of a schema that clients use, in lower case: the drafts before RFC 7643, and the enterprise URN without
 * its colon; Okta's names of roles and entitlements. See onelogin-user-put-draft-schemas, entra-create-nulls and
 * okta-entitlements-discovery in test/fixtures/clients.
 */
export const otherSpellings: readonly (readonly [string, string])[] = [
  // The drafts had one core for all types.
  ["urn:scim:schemas:core:2.0", USER],
  ["urn:scim:schemas:core:2.0", GROUP],
  ["urn:scim:schemas:core:1.0", USER],
  ["urn:scim:schemas:core:1.0", GROUP],
  ["urn:scim:schemas:core:2.0:user", USER],
  ["urn:scim:schemas:core:2.0:group", GROUP],
  ["urn:scim:schemas:extension:enterprise:2.0:user", ENTERPRISE_USER],
  ["urn:scim:schemas:extension:enterprise:2.0", ENTERPRISE_USER],
  ["urn:scim:schemas:extension:enterprise:1.0", ENTERPRISE_USER],
  ["urn:ietf:params:scim:schemas:extension:enterprise:2.0user", ENTERPRISE_USER],
  ["urn:okta:scim:schemas:core:1.0:role", ROLE],
  ["urn:okta:scim:schemas:core:1.0:entitlement", ENTITLEMENT],
];
