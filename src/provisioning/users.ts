/** Use cases of one user, each in a file of its own. SCIM, the management API and jobs all come through here. */
export { isUuid } from "../ids.ts";
export { type AccessChange, changeAccess, pinRole } from "./user-access.ts";
export { type ChangeOptions, changeUser } from "./user-change.ts";
export { type CreateOptions, createUser } from "./user-create.ts";
export { deleteUser } from "./user-delete.ts";
export { draftOf, draftOfState, type Invitation } from "./user-drafts.ts";
export { getAccount, getUser } from "./user-reads.ts";
export { isPlain, noUser, overtaken } from "./user-steps.ts";
export { newView } from "./user-views.ts";
