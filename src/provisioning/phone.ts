/** Telephone numbers: whatever way they are written, one form is kept. */
import { isSupportedCountry, type ParseError, parsePhoneNumberWithError } from "libphonenumber-js/max";
import { invalid } from "../vocabulary/values.ts";

/** What is wrong with a text that is no number, by libphonenumber's word for it. */
const reasons: Readonly<Record<string, string>> = {
  NOT_A_NUMBER: "is no telephone number",
  INVALID_COUNTRY: "needs its country: write it as +44 20 7946 0958, or name the country beside it",
  TOO_SHORT: "is too short for a telephone number",
  TOO_LONG: "is too long for a telephone number",
  INVALID_LENGTH: "has a length that telephone numbers of its country do not have",
};

/**
 * The number as E.164 (`+442079460958`). `country` is the ISO 3166-1 code of the country for numbers written without one.
 * Raises `invalidValue` naming the field and what is wrong.
 */
export function toPhone(text: string, country: string | undefined, field: string): string {
  const region = country?.toUpperCase();
  if (region !== undefined && !isSupportedCountry(region)) {
    throw invalid(`${field}Country`, `must be the two letters of a country (ISO 3166-1), such as GB`);
  }
  const parsed = parse(text, region, field);
  if (!parsed.isValid()) {
    const where = parsed.country ?? region;
    throw invalid(field, `is no telephone number${where === undefined ? "" : ` of ${where}`}`);
  }
  return parsed.number;
}

function parse(text: string, region: Parameters<typeof parsePhoneNumberWithError>[1], field: string) {
  try {
    // Without `extract: false` the number in "call 020 7946 0958 at night" would be taken out of it.
    return parsePhoneNumberWithError(text.trim(), {
      extract: false,
      ...(region === undefined ? {} : { defaultCountry: region as "GB" }),
    });
  } catch (error) {
    throw invalid(field, reasons[(error as ParseError).message] ?? "is no telephone number");
  }
}
