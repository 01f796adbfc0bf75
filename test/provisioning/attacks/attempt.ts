/** What one attack is: what it is about, how it is carried out, and what must come of it. */
import type { Random } from "./random.ts";
import type { Told, World } from "./world.ts";

export interface Attempt {
  /** A line of the table: the door and the way. */
  readonly door: string;
  /** Whom it would make an administrator: an id, or a name where the person does not exist yet. */
  readonly target: string | null;
  /** The role that it is after. */
  readonly role: string | null;
  /**
   * `named`: the request names the role: refused, or withheld where the setting says so, and recorded either way.
   * `follows`: the role would follow from what the request writes: withheld and recorded, or refused.
   * `identity`: the sign-in identity of an administrator: refused and recorded.
   * `forbidden`: no person gains, but a rule would be bent: refused.
   * `idle`: may be carried out, and gains nobody anything.
   */
  readonly kind: "named" | "follows" | "identity" | "forbidden" | "idle";
  /** The requests, in order; the last answer is the one that is judged. */
  readonly send: () => Promise<Told>;
  /** How many requests `send` makes. */
  readonly requests?: number;
}

/** Makes an attack on the world, on the given person. */
export type Attack = (world: World, random: Random, target: string) => Attempt;
