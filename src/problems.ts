/** The catalogue of everything Usher can refuse or fail at: one line a problem, and the one error class that carries it. */

interface Kind {
  readonly status: number;
  /** RFC 7644 §3.12 Table 9 or RFC 9865 §2.1 Table 3, where one of their words fits. */
  readonly scimType?: string;
  readonly title: string;
}

const catalogue = {
  invalidSyntax: { status: 400, scimType: "invalidSyntax", title: "The request body is not what this operation takes" },
  invalidValue: { status: 400, scimType: "invalidValue", title: "A value is missing or not acceptable" },
  invalidFilter: { status: 400, scimType: "invalidFilter", title: "The filter cannot be read" },
  invalidCursor: { status: 400, scimType: "invalidCursor", title: "The cursor is not one of this list" },
  expiredCursor: { status: 400, scimType: "expiredCursor", title: "The cursor is too old" },
  invalidCount: { status: 400, scimType: "invalidCount", title: "The page size is not acceptable" },
  invalidPath: { status: 400, scimType: "invalidPath", title: "The path cannot be read" },
  noTarget: { status: 400, scimType: "noTarget", title: "The path matches nothing" },
  mutability: { status: 400, scimType: "mutability", title: "The attribute cannot be changed" },
  tooMany: { status: 400, scimType: "tooMany", title: "The request asks for too much" },
  unknownRole: { status: 400, scimType: "invalidValue", title: "No such role" },
  unknownTier: { status: 400, scimType: "invalidValue", title: "No such license tier" },
  domainUnproven: { status: 409, title: "The domain is not proved yet" },
  domainRequired: { status: 403, title: "No verified domain covers this user" },
  unauthorized: { status: 401, title: "The credential is missing or not valid" },
  forbidden: { status: 403, title: "The credential does not allow this" },
  promotionRefused: { status: 403, title: "Only an Admin makes an Admin" },
  identityProtected: { status: 403, title: "The sign-in identity of an administrator is protected" },
  lastAdmin: { status: 409, title: "The last Admin cannot be demoted" },
  poolFull: { status: 403, title: "No seat is free" },
  notFound: { status: 404, title: "Not found" },
  methodNotAllowed: { status: 405, title: "The method is not allowed here" },
  notAcceptable: { status: 406, title: "The representation asked for does not exist" },
  uniqueness: { status: 409, scimType: "uniqueness", title: "The value is already taken" },
  conflict: { status: 409, title: "The request conflicts with the present state" },
  stale: { status: 409, title: "The subject has changed since this was asked" },
  belowUsed: { status: 409, title: "More seats are in use than would remain" },
  belowMinimum: { status: 409, title: "Fewer seats would remain than the tier's minimum" },
  roleInUse: { status: 409, title: "The role is in use" },
  preconditionFailed: { status: 412, title: "The resource has changed since it was read" },
  payloadTooLarge: { status: 413, title: "The request is too large" },
  unsupportedMediaType: { status: 415, title: "The media type is not supported" },
  preconditionRequired: { status: 428, title: "If-Match is required" },
  tooManyRequests: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Something went wrong on our side" },
  notImplemented: { status: 501, title: "Not implemented" },
  unavailable: { status: 503, title: "The service cannot answer right now" },
} as const satisfies Record<string, Kind>;

export type ProblemCode = keyof typeof catalogue;

/** Members beside `detail` that explain a refusal by rule; see DESIGN: the Error extension of Usher. */
export interface ProblemFacts {
  /** The code of the rule book, such as `LIC-3`. */
  readonly rule?: string;
  readonly pool?: string;
  readonly purchased?: number;
  readonly used?: number;
  readonly role?: string;
  /** The attribute that has to change, in SCIM notation. */
  readonly attribute?: string;
  readonly [member: string]: unknown;
}

/**
 * A refusal or failure with a sentence for the caller. `detail` says what to change; the cause is for the log alone.
 * Thrown by use cases and edges; the domain returns refusals as values.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly facts: ProblemFacts;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    options: { facts?: ProblemFacts; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.code = code;
    this.facts = options.facts ?? {};
    this.headers = options.headers ?? {};
  }

  get kind(): Kind {
    return catalogue[this.code];
  }

  get status(): number {
    return this.kind.status;
  }
}

/** The catalogue's entry of a code: status, SCIM word and title. */
export function problemKind(code: ProblemCode): Kind {
  return catalogue[code];
}
