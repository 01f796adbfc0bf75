/** A document while it is being changed: assignments are carried out on a copy, and the copy is handed out when all went well. */
import { Problem } from "../../problems.ts";
import { type Attribute, type AttrPath, attributeAt, formatPath } from "../../vocabulary/attributes.ts";
import { elementMatches, type Filter } from "../../vocabulary/filter/index.ts";
import { isObject, type Json, type JsonObject, member } from "../../vocabulary/json.ts";
import { GROUP, USER } from "../../vocabulary/urns.ts";
import { invalid, membersOf, requireElements, toValue } from "../../vocabulary/values.ts";
import { fromDialect } from "../dialects/index.ts";
import type { Assignment } from "./assignments.ts";
import {
  demoteOthers,
  type Element,
  elementFrom,
  isHollow,
  isSameText,
  mergeElements,
  withoutElements,
} from "./elements.ts";

export class Draft {
  readonly #doc: Record<string, Json>;
  readonly #id: string | undefined;

  /** `id` is the resource's own, which a client may repeat but not change. */
  constructor(doc: JsonObject, id?: string) {
    this.#doc = { ...doc };
    this.#id = id;
  }

  /** The document; without extensions of which nothing is left. */
  get doc(): JsonObject {
    return Object.fromEntries(Object.entries(this.#doc).filter(([, value]) => !isEmpty(value)));
  }

  /** Carries out one assignment. Raises `mutability`, `noTarget`, `invalidValue`, `invalidSyntax`. */
  assign(assignment: Assignment): void {
    const found = attributeAt(assignment.path);
    if (!found || !this.#isWritable(assignment, found.attribute, found.leaf)) return;
    const value = fromDialect(assignment.path, assignment.value);
    // An assignment of null removes (RFC 7643 §2.5), but a remove with a value looks at what it removes.
    const op = assignment.op !== "remove" && value === null ? "remove" : assignment.op;
    const { path, filter } = assignment;
    if (op === "remove") this.#requireRemovable(found.leaf, path, assignment);
    const { attribute, leaf } = found;
    const change = { op, path, attribute, leaf, value: value ?? undefined, label: formatPath(path) };
    if (filter) this.#assignSelected(change, filter);
    else if (attribute.multiValued && path.sub !== undefined) this.#assignEach(change);
    else if (attribute.multiValued) this.#assignList(change);
    else if (path.sub !== undefined) this.#assignSub(change, path.sub);
    else if (attribute.type === "complex") this.#assignComplex(change);
    else this.#assignSimple(change);
  }

  /** False for what is ignored. RFC 7644 §3.5.2: changing a read-only attribute is `mutability`, if the client meant to. */
  #isWritable({ path, named, value }: Assignment, attribute: Attribute, leaf: Attribute): boolean {
    const isCore = path.schema === USER || path.schema === GROUP;
    if (isCore && path.attribute === "schemas") return false;
    // AUTH-2: whatever is there and not the resource's own id is another one, whatever its type.
    if (isCore && path.attribute === "id" && (named || (value !== null && value !== undefined))) {
      if (this.#id === undefined ? !named : value === this.#id) return false;
      throw new Problem("mutability", "id is given by the service and stays as it is.", { facts: { attribute: "id" } });
    }
    // A password is no part of the document: ../password.ts takes it up, and here it only has to be a text.
    if (leaf.mutability === "writeOnly") {
      toValue(leaf, value, leaf.name);
      return false;
    }
    if (attribute.mutability !== "readOnly" && leaf.mutability !== "readOnly") return true;
    if (!named) return false;
    const label = formatPath(path);
    throw new Problem("mutability", `${label} is read-only.`, { facts: { attribute: label } });
  }

  #requireRemovable(leaf: Attribute, path: AttrPath, { op, named }: Assignment): void {
    const isActive = path.schema === USER && path.attribute === "active";
    if (!leaf.required && !(isActive && named)) return;
    const label = formatPath(path);
    if (op !== "remove" || !named) throw invalid(label, "must have a value");
    // RFC 7644 §3.5.2.2: removing a required attribute is `mutability`.
    const advice = isActive ? "replace it with true or false" : "it is required";
    throw new Problem("mutability", `${label} cannot be removed: ${advice}.`, { facts: { attribute: label } });
  }

  #assignSimple({ op, path, attribute, value, label }: Change): void {
    const present = this.#get(path);
    if (op !== "remove") this.#set(path, toValue(attribute, value, label));
    else if (isActivePath(path)) return;
    // Entra repeats the old value in a remove; see entra-patch-remove-with-value in test/fixtures/clients.
    else if (value === undefined || isSameText(attribute, present, value)) this.#set(path, undefined);
  }

  /** RFC 7644 §3.5.2.3: of a complex attribute, only the sub-attributes named are changed. */
  #assignComplex({ op, path, attribute, value, label }: Change): void {
    const present = this.#get(path);
    if (op !== "remove") this.#set(path, mergeComplex(attribute, asElement(present), value, label));
    else if (value === undefined || isCovered(attribute, toValue(attribute, value, label), present)) {
      this.#set(path, undefined);
    }
  }

  #assignSub({ op, path, attribute, leaf, value, label }: Change, sub: string): void {
    const parent = { schema: path.schema, attribute: path.attribute };
    const present = asElement(this.#get(parent));
    if (op === "remove" && value !== undefined && !isSameText(leaf, present[sub], value)) return;
    const given = { [sub]: op === "remove" ? null : value };
    this.#set(parent, mergeComplex(attribute, present, given, label.slice(0, -sub.length - 1)));
  }

  #assignList({ op, path, attribute, value, label }: Change): void {
    const present = this.#list(path);
    const given = (toValue(attribute, value, label) ?? []) as readonly Element[];
    if (op === "replace") this.#setList(path, given);
    else if (op === "add") this.#setList(path, mergeElements(attribute, present, given));
    else this.#setList(path, value === undefined ? [] : withoutElements(attribute, present, given));
  }

  /** A sub-attribute without a filter is that of every element; DESIGN §3: of none, it is noTarget. */
  #assignEach(change: Change): void {
    const present = this.#list(change.path);
    if (present.length === 0 && change.op !== "remove") {
      throw new Problem(
        "noTarget",
        `${change.label} has no element to change: name the element, as in ${example(change)}.`,
      );
    }
    this.#assignElements(change, present, () => true);
  }

  #assignSelected(change: Change, filter: Filter): void {
    const present = this.#list(change.path);
    if (change.op === "remove" || present.some((element) => elementMatches(filter, element))) {
      this.#assignElements(change, present, (element) => elementMatches(filter, element));
      return;
    }
    // Entra replaces what is not there yet; see entra-patch-replace-phone-absent in test/fixtures/clients.
    const created = changeElement(change, elementFrom(filter));
    this.#setList(change.path, mergePrimary([...present, created], [present.length]));
  }

  #assignElements(change: Change, present: readonly Element[], isChosen: (element: Element) => boolean): void {
    const { op, path, attribute } = change;
    const changed: number[] = [];
    const result: Element[] = [];
    for (const element of present) {
      if (!isChosen(element) || !isTouched(change, element)) result.push(element);
      else if (op !== "remove" || path.sub !== undefined) {
        const next = changeElement(change, element);
        if (Object.keys(next).length === 0 || (op === "remove" && isHollow(attribute, next))) continue;
        changed.push(result.length);
        result.push(next);
      }
    }
    this.#setList(path, mergePrimary(result, changed));
  }

  #container(schema: string): JsonObject {
    return schema === USER || schema === GROUP ? this.#doc : asElement(this.#doc[schema]);
  }

  #get(path: AttrPath): Json | undefined {
    return member(this.#container(path.schema), path.attribute) as Json | undefined;
  }

  #list(path: AttrPath): readonly Element[] {
    const value = this.#get(path);
    return Array.isArray(value) ? (value as Element[]) : [];
  }

  #setList(path: AttrPath, elements: readonly Element[]): void {
    requireElements(elements, path.attribute);
    this.#set(path, elements.length === 0 ? undefined : elements);
  }

  #set(path: AttrPath, value: Json | undefined): void {
    const isCore = path.schema === USER || path.schema === GROUP;
    const container = isCore ? this.#doc : { ...this.#container(path.schema) };
    if (value === undefined) delete container[path.attribute];
    else container[path.attribute] = value;
    if (!isCore) this.#doc[path.schema] = container;
  }
}

interface Change {
  readonly op: Assignment["op"];
  readonly path: AttrPath;
  readonly attribute: Attribute;
  /** The sub-attribute where the path has one, else the attribute. */
  readonly leaf: Attribute;
  readonly value: unknown;
  readonly label: string;
}

/** Whether there is anything to remove: what is not there, or is another value than the one repeated, stays as it is. */
function isTouched({ op, path, leaf, value }: Change, element: Element): boolean {
  if (op !== "remove" || path.sub === undefined) return true;
  const present = element[path.sub];
  return present !== undefined && (value === undefined || isSameText(leaf, present, value));
}

/** One element after the change: a sub-attribute set or removed, or the object merged into it. */
function changeElement({ op, path, attribute, leaf, value, label }: Change, element: Element): Element {
  if (path.sub === undefined)
    return mergeComplex(attribute, element, Array.isArray(value) ? value[0] : value, label) ?? {};
  const next = op === "remove" ? undefined : toValue(leaf, value, label);
  const rest = Object.fromEntries(Object.entries(element).filter(([name]) => name !== path.sub));
  return next === undefined ? rest : { ...element, [path.sub]: next };
}

/** The sub-attributes that `value` names, over those present; null removes one. Undefined when nothing is left. */
function mergeComplex(attribute: Attribute, present: Element, value: unknown, label: string): Element | undefined {
  const result: Record<string, Json> = { ...present };
  // A bare text stands for the value; anything else that is no object is refused with the expected type.
  const given = isObject(value)
    ? value
    : ((toValue({ ...attribute, multiValued: false }, value, label) ?? {}) as Element);
  for (const [sub, one] of membersOf(given, attribute.subAttributes, label)) {
    if (sub.mutability === "readOnly") continue;
    const next = toValue(sub, one, `${label}.${sub.name}`);
    if (next === undefined) delete result[sub.name];
    else result[sub.name] = next;
    // The reference of the old value does not lead to the new one.
    if (sub.name === "value" && next !== present.value && given.$ref === undefined) delete result.$ref;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

/** Of the changed elements the last primary one stays primary; if none of them is, the others are left alone. */
function mergePrimary(elements: readonly Element[], changed: readonly number[]): Element[] {
  return demoteOthers(elements, changed.findLast((at) => elements[at]?.primary === true) ?? -1);
}

/** Whether the object that a client wants removed is the one that is there, as far as it says. */
function isCovered(attribute: Attribute, given: Json | undefined, present: Json | undefined): boolean {
  const wanted = Object.entries(asElement(given));
  return wanted.every(([name, value]) =>
    isSameText(attribute.subAttributes.get(name.toLowerCase()), value, member(present, name)),
  );
}

function isActivePath(path: AttrPath): boolean {
  return path.schema === USER && path.attribute === "active";
}

function asElement(value: Json | undefined): Element {
  return isObject(value) ? (value as Element) : {};
}

function isEmpty(value: Json): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

function example({ path }: Change): string {
  return `${path.attribute}[type eq "work"].${path.sub}`;
}
