/** P-2: what a person may spend and has spent. Amounts of different currencies are never added up. */
import type { Json, JsonObject, UserDoc } from "./model.ts";
import { usherExtension } from "./words.ts";

/** By currency: what was used, and the limit whose passing was told. */
export type Spent = Readonly<Record<string, { readonly used: number; readonly told?: number }>>;

export interface Budget {
  /** Null: no limit. */
  readonly limit: number | null;
  /** ISO 4217. Null: none was named, and nothing spent. */
  readonly currency: string | null;
  readonly used: number;
}

/** The budget with its use, in the budget's own currency; null where there is neither. */
export function budgetOf(doc: UserDoc, spent: Spent | null): Budget | null {
  const { budget } = usherExtension(doc);
  const words = isObject(budget) ? budget : undefined;
  if (words === undefined && spent === null) return null;
  const currency = currencyOf(words, spent);
  const limit = typeof words?.limit === "number" ? words.limit : null;
  return { limit, currency, used: currency === null ? 0 : (spent?.[currency]?.used ?? 0) };
}

/** The currency that the budget names; where it names none, that of what was spent, the first if there are several. */
function currencyOf(words: JsonObject | undefined, spent: Spent | null): string | null {
  if (typeof words?.currency === "string" && words.currency !== "") return words.currency.toUpperCase();
  return Object.keys(spent ?? {}).sort()[0] ?? null;
}

/** The limits that have been passed since it was last told: each passing of one limit is told once. */
export function passedLimit(budget: Budget | null, spent: Spent | null): number | null {
  if (budget === null || budget.limit === null || budget.currency === null || budget.used <= budget.limit) return null;
  return spent?.[budget.currency]?.told === budget.limit ? null : budget.limit;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
