/** How large a filter may be. Beyond any of these: 400 `invalidFilter`. */
export const bounds = {
  /** Characters. Node's own bound on a request's head is 16 KiB; longer filters could only come by POST, and none is known. */
  lengthMax: 16_384,
  /** Comparisons, `and`, `or`, `not` and value paths. Okta removes up to 256 members in one request, each its own term at worst. */
  nodesMax: 600,
  /** Brackets within brackets. People write three; the parser, the SQL and PostgreSQL itself recurse once a level. */
  depthMax: 32,
} as const;
