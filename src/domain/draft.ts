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
