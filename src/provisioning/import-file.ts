/**
 * A file of people, read as it arrives (P-8): UTF-8 or what is declared, `,` or `;`, quoted where it has to be, with or
 * without a header. It is read line by line and never held whole; what is no CSV from some line on is refused whole.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type CsvError, parse } from "csv-parse";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";

/** What a column may hold. The first six are the columns of a file without a header, in this order. */
export const importColumns = [
  "email",
  "countryCode",
  "phone",
  "name",
  "role",
  "tier",
  "userName",
  "givenName",
  "familyName",
  "company",
] as const;

export type ImportColumn = (typeof importColumns)[number];

const columnsWithoutHeader = importColumns.slice(0, 6);

/** Names in a header, without letter case, spaces and signs. */
const columnOf: Readonly<Record<string, ImportColumn>> = {
  email: "email",
  mail: "email",
  emailaddress: "email",
  countrycode: "countryCode",
  country: "countryCode",
  phone: "phone",
  phonenumber: "phone",
  telephone: "phone",
  mobile: "phone",
  mobilephone: "phone",
  name: "name",
  fullname: "name",
  displayname: "name",
  role: "role",
  tier: "tier",
  license: "tier",
  licensetier: "tier",
  username: "userName",
  givenname: "givenName",
  firstname: "givenName",
  familyname: "familyName",
  lastname: "familyName",
  surname: "familyName",
  company: "company",
};

export interface ImportLine {
  /** From 1, blank lines and the header left out. */
  readonly no: number;
  /** In the file, from 1: where the line begins. */
  readonly line: number;
  /** What is not empty. */
  readonly cells: Readonly<Partial<Record<ImportColumn, string>>>;
  /** How many cells there are beyond the columns. */
  readonly beyond: number;
  /** The `no` of the first line with the same name, where this is not the first. */
  readonly repeats: number | null;
}

export interface ImportFileOptions {
  /** As in the Content-Type; UTF-8 when absent. */
  readonly charset?: string | undefined;
}

/** A file while it is being read: what its header said is known when the first line is. */
export class ImportFile {
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #options: ImportFileOptions;
  columns: readonly (ImportColumn | null)[] = columnsWithoutHeader;
  /** Columns of the header that are none of ours, and are passed over. */
  ignored: readonly string[] = [];

  constructor(bytes: AsyncIterable<Uint8Array>, options: ImportFileOptions = {}) {
    this.#bytes = bytes;
    this.#options = options;
  }

  /** Raises `invalidSyntax`, `invalidValue`, `tooMany`, `payloadTooLarge`, `unsupportedMediaType`. */
  async *lines(): AsyncGenerator<ImportLine> {
    const seen = new Map<string, number>();
    let no = 0;
    try {
      for await (const { record, line } of readRecords(this.#bytes, this.#options)) {
        if (no === 0 && this.#readHeader(record)) continue;
        no += 1;
        if (no > limits.importLinesMax) throw tooManyLines();
        const { cells, beyond } = toCells(record, this.columns);
        const name = normaliseName(cells.userName ?? cells.email ?? "");
        const repeats = name === "" ? null : (seen.get(name) ?? null);
        if (repeats === null && name !== "") seen.set(name, no);
        yield { no, line, cells, beyond, repeats };
      }
    } catch (error) {
      throw isCsvError(error) ? notCsv(error) : error;
    }
  }

  /** Whether the file's first line names the columns: no cell is an address, and one says where addresses stand. */
  #readHeader(record: readonly string[]): boolean {
    if (this.columns !== columnsWithoutHeader || record.some((cell) => cell.includes("@"))) return false;
    const columns = record.map((cell) => columnOf[cell.toLowerCase().replace(/[^\p{L}]/gu, "")] ?? null);
    if (!columns.includes("email") && !columns.includes("userName")) return false;
    const twice = columns.find((column, index) => column !== null && columns.indexOf(column) < index);
    if (twice !== undefined && twice !== null) {
      throw new Problem("invalidValue", `Two columns of the header mean ${twice}. Leave one of them.`, {
        facts: { attribute: twice },
      });
    }
    if (!columns.includes("email")) {
      throw new Problem("invalidValue", "The header names no column of e-mail addresses, such as email.", {
        facts: { attribute: "email" },
      });
    }
    this.columns = columns;
    this.ignored = record.filter((cell, index) => columns[index] === null && cell !== "");
    return true;
  }
}

/** Spreadsheets' formulas are written behind an apostrophe, as our export does; here it is taken off. */
const neutralised = /^'(?=[=+\-@\t\r])/;

function toCells(record: readonly string[], columns: readonly (ImportColumn | null)[]) {
  const cells: Partial<Record<ImportColumn, string>> = {};
  let beyond = 0;
  for (const [index, cell] of record.entries()) {
    const text = cell.replace(neutralised, "").trim();
    if (text === "") continue;
    const column = columns[index];
    if (column === undefined) beyond += 1;
    else if (column !== null) cells[column] = text;
  }
  return { cells, beyond };
}

/** A cell is a name, an address or a number; a record beyond this is a quote that nobody closed. */
const recordBytesMax = 16_384;

async function* readRecords(
  bytes: AsyncIterable<Uint8Array>,
  { charset = "utf-8" }: ImportFileOptions,
): AsyncGenerator<{ record: string[]; line: number }> {
  const text = withLineFeeds(decode(bounded(bytes), charset));
  const { head, rest } = await untilFirstLine(text);
  const parser = parse({
    delimiter: separatorOf(head),
    record_delimiter: "\n",
    relax_column_count: true,
    // A quote in the middle of an unquoted cell is taken as it stands; what it spoils is judged with its line.
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
    trim: true,
    max_record_size: recordBytesMax,
    info: true,
  });
  const source = async function* () {
    if (head !== "") yield head;
    yield* rest;
  };
  const feeding = pipeline(Readable.from(source()), parser);
  // Its failure is the parser's, which is told below.
  feeding.catch(() => {});
  for await (const found of parser) {
    const { record, info } = found as { record: string[]; info: { lines: number } };
    const breaks = record.reduce((sum, cell) => sum + cell.split("\n").length - 1, 0);
    yield { record, line: info.lines - breaks };
  }
  await feeding;
}

async function* bounded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let total = 0;
  try {
    for await (const chunk of bytes) {
      total += chunk.byteLength;
      if (total > limits.importBodyBytesMax) {
        throw new Problem("payloadTooLarge", "The file is larger than this operation takes. Import it in parts.");
      }
      yield chunk;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    throw new Problem("invalidSyntax", "The request ended before the file did; nothing was imported.", {
      cause: error,
    });
  }
}

async function* decode(bytes: AsyncIterable<Uint8Array>, charset: string): AsyncGenerator<string> {
  const decoder = toDecoder(charset);
  try {
    for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw error;
    const detail = `The file is not in ${charset}. Save it as CSV UTF-8, or name its charset in the Content-Type.`;
    throw new Problem("invalidSyntax", detail, { cause: error });
  }
}

function toDecoder(charset: string) {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch {
    throw new Problem("unsupportedMediaType", `The charset "${charset.slice(0, 100)}" is not known. Send UTF-8.`);
  }
}

/** One kind of line end, and no NUL, which no text has. */
async function* withLineFeeds(text: AsyncIterable<string>): AsyncGenerator<string> {
  let held = "";
  for await (const chunk of text) {
    const whole = held + chunk;
    // The other half of a line end may be in the next chunk.
    held = whole.endsWith("\r") ? "\r" : "";
    yield whole
      .slice(0, whole.length - held.length)
      .replace(/\r\n?/g, "\n")
      .replaceAll("\0", "\u{FFFD}");
  }
  if (held !== "") yield "\n";
}

/** Everything up to the end of the first line that is not blank, and what follows. */
async function untilFirstLine(text: AsyncGenerator<string>): Promise<{ head: string; rest: AsyncGenerator<string> }> {
  let head = "";
  while (head.length < recordBytesMax && !/\S.*\n/.test(head)) {
    const next = await text.next();
    if (next.done) break;
    head += next.value;
  }
  return { head, rest: text };
}

/** Whichever of the two stands more often in the first line, outside quotes. */
function separatorOf(head: string): "," | ";" {
  const [line = ""] = head.trimStart().split("\n", 1);
  const bare = line.replace(/"[^"]*"/g, "");
  return bare.split(";").length > bare.split(",").length ? ";" : ",";
}

function isCsvError(error: unknown): error is CsvError {
  return error instanceof Error && /^(CSV_|INVALID_)/.test(String((error as { code?: unknown }).code));
}

function notCsv(error: CsvError): Problem {
  const { lines, records } = error as CsvError & { readonly lines?: number; readonly records?: number };
  const sentence: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: `A quote that opens behind the first ${records ?? 0} filled lines is never closed.`,
    CSV_MAX_RECORD_SIZE: `Line ${lines} is longer than any; a quote may not be closed.`,
  };
  const detail = sentence[error.code] ?? `In line ${lines} something follows a closing quote that may not stand there.`;
  return new Problem("invalidSyntax", `${detail} Nothing was imported.`, { cause: error });
}

function tooManyLines(): Problem {
  const detail = `The file has more than ${limits.importLinesMax} lines. Import it in parts; nothing was imported.`;
  return new Problem("tooMany", detail);
}
