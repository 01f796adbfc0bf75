/** Lines of a CSV file that leaves (RFC 4180), with nothing in it that a spreadsheet would carry out. */
import { stringify } from "csv-stringify/sync";

/** What spreadsheets take for a formula; the wide forms are such in some of them. */
const formula = /^[=+\-@\t\r\n＝＋－＠]/;

/** Quoted where another program's separator stands, too: behind it a cell would begin, and a formula with it. */
export function toCsvLines(rows: readonly (readonly (string | null)[])[]): string {
  const safe = rows.map((row) => row.map((cell) => (cell !== null && formula.test(cell) ? `'${cell}` : cell)));
  return stringify(safe, { record_delimiter: "\r\n", quoted_match: /[;\t\r\n]/ });
}
