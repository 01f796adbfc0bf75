/** The resource types that a client writes, as scimmy's routers, Bulk and /Me call them. */
export type { Answer, Body, Operations, Preconditions } from "./answer.ts";
export { groups } from "./group-resource.ts";
export { users } from "./user-resource.ts";
