/** P-2: what a person may spend and has spent. */
import { describe, expect, it } from "vitest";
import { budgetOf, passedLimit } from "../../src/domain/budget.ts";
import { aDoc } from "./facts.ts";

const of = (budget: object | undefined, spent: Parameters<typeof budgetOf>[1]) =>
  budgetOf(aDoc({}, budget === undefined ? {} : { budget: budget as never }), spent);

describe("a budget", () => {
  it.each([
    [undefined, null, null],
    [{ limit: 5 }, null, { limit: 5, currency: null, used: 0 }],
    [{ currency: "eur" }, null, { limit: null, currency: "EUR", used: 0 }],
    [{ limit: 5, currency: "EUR" }, { USD: { used: 3 } }, { limit: 5, currency: "EUR", used: 0 }],
    [{ limit: 5, currency: "EUR" }, { EUR: { used: 7 } }, { limit: 5, currency: "EUR", used: 7 }],
    [{ limit: 5 }, { USD: { used: 3 } }, { limit: 5, currency: "USD", used: 3 }],
    [undefined, { USD: { used: 3 }, EUR: { used: 2 } }, { limit: null, currency: "EUR", used: 2 }],
  ])("%j with %j spent is %j", (budget, spent, expected) => {
    expect(of(budget, spent)).toEqual(expected);
  });

  it.each([
    [{ limit: 5, currency: "EUR" }, { EUR: { used: 5 } }, null],
    [{ limit: 5, currency: "EUR" }, { EUR: { used: 5.01 } }, 5],
    [{ limit: 5, currency: "EUR" }, { EUR: { used: 6, told: 5 } }, null],
    [{ limit: 5.5, currency: "EUR" }, { EUR: { used: 6, told: 5 } }, 5.5],
    [{ limit: 0, currency: "EUR" }, { EUR: { used: 1 } }, 0],
    [{ limit: 5, currency: "EUR" }, { USD: { used: 99 } }, null],
    [{ currency: "EUR" }, { EUR: { used: 99 } }, null],
  ])("the limit of %j with %j spent is told: %j", (budget, spent, expected) => {
    expect(passedLimit(of(budget, spent), spent)).toBe(expected);
  });
});
