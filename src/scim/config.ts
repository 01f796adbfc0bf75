/** What the SCIM door supports and how much it takes: the bounds of a request, and the ServiceProviderConfig that says so. */

import { limits } from "../limits.ts";

/** Bounds of this door alone; those that the whole server shares are in limits.ts. */
export const bounds = {
  /** A user's document; beyond it 413. */
  userBodyBytesMax: 1024 * 1024,
  /** The body of a search, and of a request whose body nobody reads; beyond it 413. */
  smallBodyBytesMax: 64 * 1024,
  /** Characters of one query parameter; the filter has bounds of its own besides. Beyond it 400. */
  parameterLengthMax: 16_384,
  /** Operations of a Bulk: one done in seconds, before anybody's patience is over. Beyond it 413. */
  bulkOperationsMax: 1_000,
  /** Names in `attributes` or `excludedAttributes`. Beyond it 400. */
  attributeNamesMax: 200,
  /** A cursor is good for this long: whoever pages asks again within seconds, whoever looks into it within the hour. */
  cursorSeconds: 3600,
} as const;

/**
 * RFC 7643 §5. Every member is present, supported or not: authentik throws the whole document away, and with it
 * PATCH and filters, when `bulk.maxOperations` is missing, and Okta's test asks for each by name.
 */
export function serviceProviderConfig(baseUrl: string): object {
  return {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    patch: { supported: true },
    bulk: { supported: true, maxOperations: bounds.bulkOperationsMax, maxPayloadSize: limits.scimBodyBytesMax },
    filter: { supported: true, maxResults: limits.pageSizeMax },
    changePassword: { supported: true },
    sort: { supported: true },
    etag: { supported: true },
    // RFC 9865 §4. Index stays the default: Entra and Okta send startIndex.
    pagination: {
      cursor: true,
      index: true,
      defaultPaginationMethod: "index",
      defaultPageSize: limits.pageSizeDefault,
      maxPageSize: limits.pageSizeMax,
      cursorTimeout: bounds.cursorSeconds,
    },
    authenticationSchemes: [
      {
        type: "oauthbearertoken",
        name: "OAuth Bearer Token",
        description: "A token of the tenant with the scope scim, sent as Authorization: Bearer.",
        specUri: "https://www.rfc-editor.org/rfc/rfc6750",
        primary: true,
      },
    ],
    // The draft's RolesAndEntitlements is left out: it has expired, and strict clients (scim2-client) throw the whole
    // document away for a member that RFC 7643 and RFC 9865 do not know. /ResourceTypes says as much.
    meta: { resourceType: "ServiceProviderConfig", location: `${baseUrl}/ServiceProviderConfig` },
  };
}
