/** Parses a filter (RFC 7644 §3.4.2.2) into its tree by recursive descent, bounded in length, size and depth. */
import { Problem } from "../../problems.ts";
import {
  type Attribute,
  type AttrPath,
  attributeAt,
  type ReadableTypeName,
  type Resolved,
  resolveName,
  UNKNOWN,
} from "../attributes.ts";
import type { Filter, Literal, Operator } from "./ast.ts";
import { bounds } from "./bounds.ts";
import { type Token, tokenize } from "./lexer.ts";

export interface ParseOptions {
  /**
   * `ignore` (default): an unknown attribute matches nothing, as a client may know schemas that we do not.
   * `refuse`: 400, for filters that people write and that are kept, such as mapping rules.
   */
  readonly unknown?: "ignore" | "refuse";
  /** Only attributes that a client writes: a rule that read what Usher decides would decide by its own outcome. */
  readonly writtenByClient?: boolean;
  /** Where several types are searched at once: what only these have is known too, under their own schemas. */
  readonly alsoOf?: readonly ReadableTypeName[];
}

/** The filter's tree; raises Problem `invalidFilter` that names the position and what would be right there. */
export function parseFilter(type: ReadableTypeName, text: string, options: ParseOptions = {}): Filter {
  const parser = new FilterParser(type, tokenize(text), options);
  const filter = parser.parseOr();
  parser.expectEnd();
  return filter;
}

const operators: ReadonlySet<string> = new Set(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]);
const reserved: ReadonlySet<string> = new Set(["and", "or", "not"]);

/** Reads one run of tokens; the path parser uses it for the brackets of a path. */
export class FilterParser {
  readonly #type: ReadableTypeName;
  readonly #tokens: readonly Token[];
  readonly #options: ParseOptions;
  #next = 0;
  #nodes = 0;
  #depth = 0;
  /** Inside brackets: the attribute whose sub-attributes are meant. */
  #within: AttrPath | undefined;

  constructor(type: ReadableTypeName, tokens: readonly Token[], options: ParseOptions) {
    this.#type = type;
    this.#tokens = tokens;
    this.#options = options;
  }

  /** RFC 7644 §3.4.2.2: `and` binds closer than `or`. */
  parseOr(): Filter {
    const terms = [this.#parseAnd()];
    while (this.takeWord("or")) terms.push(this.#parseAnd());
    return terms.length === 1 ? (terms[0] as Filter) : this.#count({ or: terms });
  }

  #parseAnd(): Filter {
    const terms = [this.#parseTerm()];
    while (this.takeWord("and")) terms.push(this.#parseTerm());
    return terms.length === 1 ? (terms[0] as Filter) : this.#count({ and: terms });
  }

  #parseTerm(): Filter {
    if (this.takeWord("not")) {
      if (this.peek().kind !== "(") throw wrong(this.peek(), "not is followed by a parenthesis");
      return this.#count({ not: this.#parseParenthesis() });
    }
    return this.peek().kind === "(" ? this.#parseParenthesis() : this.#parseExpression();
  }

  #parseParenthesis(): Filter {
    this.#descend(this.take());
    const filter = this.parseOr();
    this.#depth -= 1;
    const close = this.take();
    if (close.kind !== ")") throw wrong(close, "a closing parenthesis is missing");
    return filter;
  }

  #parseExpression(): Filter {
    const token = this.take();
    if (token.kind !== "word" || reserved.has(token.text.toLowerCase())) {
      throw wrong(token, "an attribute name is expected");
    }
    const path = this.#resolve(token.text, token);
    if (this.peek().kind !== "[") return this.#parseComparison(path, token.text);
    if (this.#within) throw wrong(this.peek(), "brackets within brackets have no meaning");
    const attribute = attributeAt(path)?.leaf;
    if (path.sub !== undefined || (attribute && attribute.type !== "complex" && !attribute.multiValued)) {
      throw wrong(this.peek(), `${shown(token.text)} has no parts to choose by`);
    }
    const filter = this.parseBrackets(path, token.text);
    return this.#parseAfterBrackets(path, token.text, filter);
  }

  /** Reads `[filter]` after an attribute. */
  parseBrackets(path: AttrPath, name: string): Filter {
    this.#descend(this.take());
    this.#within = path.schema === UNKNOWN ? { schema: UNKNOWN, attribute: name } : path;
    const filter = this.parseOr();
    this.#within = undefined;
    this.#depth -= 1;
    const close = this.take();
    if (close.kind !== "]") throw wrong(close, "a closing bracket is missing");
    return filter;
  }

  /** `emails[type eq "work"].value eq "x"` holds where one element does both, so the comparison joins the brackets. */
  #parseAfterBrackets(attribute: AttrPath, name: string, filter: Filter): Filter {
    const token = this.peek();
    const isSub = token.kind === "word" && token.text.startsWith(".");
    const isOperator = token.kind === "word" && (operators.has(token.text.toLowerCase()) || isPresent(token.text));
    if (!isSub && !isOperator) return this.#count({ valuePath: { attribute, filter } });
    if (isSub) this.take();
    this.#within = attribute.schema === UNKNOWN ? { schema: UNKNOWN, attribute: name } : attribute;
    const sub = isSub ? token.text.slice(1) : "value";
    const comparison = this.#parseComparison(this.#resolve(sub, token), sub);
    this.#within = undefined;
    const both = "and" in filter ? { and: [...filter.and, comparison] } : this.#count({ and: [filter, comparison] });
    return this.#count({ valuePath: { attribute, filter: both } });
  }

  #parseComparison(path: AttrPath, name: string): Filter {
    const token = this.take();
    const op = token.text.toLowerCase();
    if (token.kind !== "word") throw wrong(token, `an operator such as eq is expected after ${shown(name)}`);
    if (isPresent(op)) return this.#count({ present: path });
    if (!operators.has(op)) throw wrong(token, `${shown(token.text)} is not an operator`);
    const target = withValue(path);
    return this.#count({ compare: { path: target, op: op as Operator, value: this.#parseLiteral(target, op) } });
  }

  #parseLiteral(path: AttrPath, op: string): Literal {
    const token = this.take();
    // Entra prints `externalId eq jyoung`; see entra-match-unquoted in test/fixtures/clients.
    const isBare = token.kind === "word" && !reserved.has(token.text.toLowerCase());
    if (token.kind !== "string" && !isBare) throw wrong(token, 'a value is expected, such as "text", 1 or true');
    const leaf = attributeAt(path)?.leaf;
    // RFC 7644 §3.4.2.2: ordering a Boolean or Binary value is invalidFilter.
    if ((leaf?.type === "boolean" || leaf?.type === "binary") && ["gt", "ge", "lt", "le"].includes(op)) {
      throw wrong(token, `${leaf.name} has no order, so ${op} does not apply`);
    }
    return toLiteral(token, leaf);
  }

  #resolve(name: string, token: Token): AttrPath {
    const found = this.#within ? this.#resolveSub(this.#within, name) : this.#find(name);
    const leaf = found.kind === "attribute" ? (found.sub ?? found.attribute) : undefined;
    // A password is in no answer (returned: never), so no filter may tell what it is.
    if (found.kind === "attribute" && leaf?.returned !== "never") {
      if (
        this.#options.writtenByClient &&
        (leaf?.mutability === "readOnly" || found.attribute.mutability === "readOnly")
      ) {
        throw wrong(token, `${shown(name)} is not written by a client`);
      }
      return found.path;
    }
    if (!isName(name)) throw wrong(token, "an attribute name is expected");
    if (this.#options.unknown === "refuse") throw wrong(token, `${shown(name)} is not a known attribute`);
    return { schema: UNKNOWN, attribute: name };
  }

  #find(name: string): Resolved {
    const found = resolveName(this.#type, name);
    if (found.kind === "attribute") return found;
    const elsewhere = this.#options.alsoOf?.map((type) => resolveName(type, name));
    return elsewhere?.find(({ kind }) => kind === "attribute") ?? found;
  }

  #resolveSub(within: AttrPath, name: string): Resolved {
    const found = attributeAt(within)?.attribute;
    const sub = found?.subAttributes.get(name.toLowerCase());
    if (found && sub) return { kind: "attribute", path: { ...within, sub: sub.name }, attribute: found, sub };
    // Elements of a list of plain values, such as schemas, are their own value.
    if (found && found.type !== "complex" && name.toLowerCase() === "value") {
      return { kind: "attribute", path: within, attribute: found };
    }
    return { kind: "unknown" };
  }

  peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  take(): Token {
    const token = this.peek();
    if (token.kind !== "end") this.#next += 1;
    return token;
  }

  takeWord(word: string): boolean {
    const token = this.peek();
    if (token.kind !== "word" || token.text.toLowerCase() !== word) return false;
    this.#next += 1;
    return true;
  }

  expectEnd(): void {
    if (this.peek().kind !== "end") throw wrong(this.peek(), "and, or, or the end is expected");
  }

  #descend(bracket: Token): void {
    this.#depth += 1;
    if (this.#depth > bounds.depthMax) throw wrong(bracket, `brackets nest deeper than ${bounds.depthMax}`);
  }

  #count<T>(node: T): T {
    this.#nodes += 1;
    if (this.#nodes > bounds.nodesMax) throw wrong(this.peek(), `it has more than ${bounds.nodesMax} terms`);
    return node;
  }
}

function wrong(token: Token, what: string): Problem {
  return new Problem("invalidFilter", `The filter cannot be read at position ${token.position}: ${what}.`);
}

/** RFC 7644 §3.4.2.2 `attrPath`; a literal is no name, so `true eq true` asks nothing. */
function isName(text: string): boolean {
  return /^(urn:[\w:.+,'%()-]*:)?[a-z$][\w$-]*(\.[a-z$][\w$-]*)*$/i.test(text) && !/^(true|false|null)$/i.test(text);
}

function isPresent(word: string): boolean {
  return word.toLowerCase() === "pr";
}

/** PingFederate writes `emails eq "x"`, Entra `manager eq "M"` and `members eq "U"`: the value is meant. */
function withValue(path: AttrPath): AttrPath {
  const leaf = attributeAt(path)?.leaf;
  return leaf?.type === "complex" && leaf.subAttributes.has("value") ? { ...path, sub: "value" } : path;
}

/** The literal as the attribute's type reads it, so that `active eq "True"` and `externalId eq 0042` mean what they say. */
function toLiteral(token: Token, leaf: Attribute | undefined): Literal {
  const { text } = token;
  const isBare = token.kind === "word";
  if (isBare && text === "null") return null;
  const boolean = /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined;
  const number = isNumber(text) ? Number(text) + 0 : undefined;
  switch (leaf?.type) {
    case "boolean":
      return boolean ?? text;
    case "decimal":
    case "integer":
      return number ?? text;
    case undefined:
      return isBare ? (boolean ?? number ?? text) : text;
    default:
      return text;
  }
}

function isNumber(text: string): boolean {
  return text.length < 400 && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text));
}

/** A client's word in our sentence, if it is short and harmless. */
function shown(text: string): string {
  return /^[\w.:$-]{1,100}$/.test(text) ? text : "what stands there";
}
