/** What a handler of one operation is given and what it answers. */
import type { AuthDeps } from "../auth/authenticate.ts";
import type { RequestContext } from "../provisioning/context.ts";
import type { TokenDeps } from "../provisioning/tokens.ts";

export interface AdminDeps extends TokenDeps, AuthDeps {
  readonly db: TokenDeps["db"];
  readonly secret: TokenDeps["secret"];
}

/** A request that has been authenticated, permitted and found to be what openapi.yaml says. */
export interface Call {
  readonly deps: AdminDeps;
  readonly ctx: RequestContext;
  readonly operationId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Checked against the operation's schema: a handler names its type. */
  readonly body: unknown;
  /** Where the operation takes a file: it arrives while the handler runs. */
  readonly file?: IncomingFile;
  header(name: string): string | undefined;
}

export interface IncomingFile {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** As declared; undefined: not at all. */
  readonly charset: string | undefined;
}

export interface Answer {
  /** 200 when absent, 204 when there is no body either. */
  readonly status?: number;
  readonly body?: object;
  /** In place of a body: text in pieces, made as fast as the client takes them. What fails later cuts the line. */
  readonly text?: { readonly type: string; readonly chunks: AsyncIterable<string> };
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handler = (call: Call) => Promise<Answer>;

/** Handlers by operationId. */
export type Handlers = Readonly<Record<string, Handler>>;
