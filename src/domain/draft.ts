/** A user in the middle of a change: the stored facts with the client's new words, before anything is decided. */
import type { AccessFacts } from "./access.ts";
import type { Binding, Pin, UserDoc } from "./model.ts";
import { USHER_USER, usherExtension } from "./words.ts";

/** The user as the change would leave them: words, stops, pins and the groups they are in. */
export interface Draft extends AccessFacts {
  readonly doc: UserDoc;
  readonly suspended: boolean;
  readonly accepted: boolean;
  readonly invitationExpiresAt: string | null;
  readonly rolePin: string | null;
  readonly tierPin: Pin<string | null>;
  readonly bindings: readonly Binding[];
  /** A password that is set or removed. Absent: it stays as it is. */
  readonly password?: PasswordChange;
}

/** No rule sees a password: only that there is to be another one, or none. */
export interface PasswordChange {
  /** What is to be kept of it; null to remove it. */
  readonly hash: string | null;
}

/** The draft without its change of the password. */
export function withoutPassword({ password: _, ...draft }: Draft): Draft {
  return draft;
}

/** The document with some of the extension's and of the core's attributes as they were. */
export function restoreWords(
  doc: UserDoc,
  stored: UserDoc,
  extension: readonly string[],
  core: readonly string[],
): UserDoc {
  const next: Record<string, unknown> = { ...doc };
  const words: Record<string, unknown> = { ...usherExtension(doc) };
  const storedWords = usherExtension(stored);
  for (const name of extension) {
    delete words[name];
    if (storedWords[name] !== undefined) words[name] = storedWords[name];
  }
  delete next[USHER_USER];
  if (Object.keys(words).length > 0) next[USHER_USER] = words;
  for (const name of core) {
    delete next[name];
    if (stored[name] !== undefined) next[name] = stored[name];
  }
  return next as UserDoc;
}
