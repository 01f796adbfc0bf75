/** Users in the middle of a change (domain/draft), from what a client wrote and from what is stored. */
import type { Draft, PasswordChange } from "../domain/draft.ts";
import type { UserDoc, UserState } from "../domain/model.ts";

/** How an invited person differs from a provisioned one (USR-1). */
export interface Invitation {
  readonly accepted: false;
  readonly expiresAt: string;
}

export function draftOf(doc: UserDoc, invitation?: Invitation, password?: PasswordChange): Draft {
  const draft = {
    doc,
    suspended: false,
    accepted: invitation === undefined,
    invitationExpiresAt: invitation?.expiresAt ?? null,
    rolePin: null,
    tierPin: { pinned: false } as const,
    bindings: [],
  };
  return withPassword(draft, password);
}

export function withPassword(draft: Draft, password: PasswordChange | undefined): Draft {
  return password === undefined ? draft : { ...draft, password };
}

export function draftOfState(state: UserState): Draft {
  const { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings } = state;
  return { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings };
}
