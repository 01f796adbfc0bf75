/**
 * Cuts a filter or path into words, strings and brackets in one pass over its characters. No regular expression sees the
 * whole text, so no input makes it slow.
 */
import { Problem } from "../../problems.ts";
import { bounds } from "./bounds.ts";

export interface Token {
  readonly kind: "word" | "string" | "(" | ")" | "[" | "]" | "end";
  /** The characters of a word, the decoded value of a string. */
  readonly text: string;
  /** Counted from 1, for people. */
  readonly position: number;
}

const blank = " \t\r\n";
const brackets = "()[]";

/** Raises `invalidFilter` with the position for text that is too long, and for a string that does not end or decode. */
export function tokenize(text: string): Token[] {
  if (text.length > bounds.lengthMax) {
    throw new Problem("invalidFilter", `The filter is longer than ${bounds.lengthMax} characters.`);
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] as string;
    const start = at;
    if (blank.includes(char)) at += 1;
    else if (brackets.includes(char)) {
      at += 1;
      tokens.push({ kind: char as Token["kind"], text: char, position: start + 1 });
    } else if (char === '"') {
      at = endOfString(text, start);
      tokens.push({ kind: "string", text: decode(text.slice(start, at), start), position: start + 1 });
    } else {
      while (at < text.length && !isBreak(text[at] as string)) at += 1;
      tokens.push({ kind: "word", text: text.slice(start, at), position: start + 1 });
    }
  }
  tokens.push({ kind: "end", text: "", position: text.length + 1 });
  return tokens;
}

function isBreak(char: string): boolean {
  return char === '"' || blank.includes(char) || brackets.includes(char);
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  throw new Problem("invalidFilter", `The string that begins at position ${start + 1} has no closing quote.`);
}

/** RFC 7644 §3.4.2.2 takes strings from JSON, escapes and all. */
function decode(quoted: string, start: number): string {
  try {
    return JSON.parse(quoted) as string;
  } catch (cause) {
    const advice = 'in it, write a backslash as \\\\, a quote as \\" and a line break as \\n';
    throw new Problem("invalidFilter", `The string at position ${start + 1} is not a JSON string: ${advice}.`, {
      cause,
    });
  }
}
