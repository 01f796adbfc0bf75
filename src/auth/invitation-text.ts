/** The text of an invitation: `usher_invite_<tenant>.<user>.<secret>`, made as tokens are (token-text). */
import { formatToken, newTokenSecret, parseToken } from "./token-text.ts";

/** Whose invitation, in which tenant. */
export interface InvitationText {
  readonly tenantId: string;
  readonly userId: string;
  /** 256 bits of chance, base64url. */
  readonly secret: string;
}

const prefix = "usher_invite_";
const tokenPrefix = "usher_";

export function newInvitationText(tenantId: string, userId: string): string {
  const text = formatToken({ tenantId, tokenId: userId, secret: newTokenSecret() });
  return prefix + text.slice(tokenPrefix.length);
}

/** The parts of an invitation, or undefined for any other text. */
export function parseInvitation(text: string): InvitationText | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const token = parseToken(tokenPrefix + text.slice(prefix.length));
  return token && { tenantId: token.tenantId, userId: token.tokenId, secret: token.secret };
}
