/** Every bound of the server in one place: its unit is in its name, its reason beside it. */

export const limits = {
  /** A SCIM body: Entra's largest group batch and a Bulk of 1,000 operations fit with room to spare. Beyond: 413. */
  scimBodyBytesMax: 8 * 1024 * 1024,
  /** A body of the management API: the largest mapping document in use is a tenth of this. Beyond: 413. */
  apiBodyBytesMax: 1024 * 1024,
  /** A body of access evaluation: as many questions as one may hold, with ids. Beyond: 413. */
  accessBodyBytesMax: 64 * 1024,
  /** Questions of one message of access evaluation, as openapi.yaml has it: a page of things to show. Beyond: 400. */
  evaluationsMax: 250,
  /** A request for an access token: a form of a few short fields. Beyond: 413. */
  oauthBodyBytesMax: 16 * 1024,
  /** People of one bulk action: a large customer's whole department. Beyond: 400. */
  bulkUsersMax: 10_000,
  /** Treated within the request, in well under a second; more become a job: 202. */
  bulkUsersAtOnceMax: 200,
  /** Jobs of a tenant that are not finished, one after the other. Beyond: 429. */
  bulkJobsUnfinishedMax: 20,
  /** Ended jobs and what became of whom: long enough to look into it after a holiday. */
  bulkJobsKeptDays: 30,

  /** A file of people to import: 50,000 lines of an address, a number, a name, a role and a tier are 5 MB. Beyond: 413. */
  importBodyBytesMax: 16 * 1024 * 1024,
  /** Beyond: 400. */
  importLinesMax: 50_000,
  /** Imported within the request, in about a second; more lines become a job: 202. */
  importLinesAtOnceMax: 500,

  /** Levels of nesting in a JSON body; SCIM needs five. Beyond: 400, before anything recursive sees the body. */
  jsonDepthMax: 32,

  /** A page when the client names no size, and the largest it gets however much it asks for. */
  pageSizeDefault: 100,
  pageSizeMax: 500,

  /** Connections of one process to PostgreSQL: enough to keep a small server's cores busy; USHER_DATABASE_CONNECTIONS. */
  databaseConnectionsDefault: 10,
  /** Pieces of work that may wait for a connection. Beyond: 503, because whoever comes later would time out anyway. */
  databaseWaitingMax: 1000,
  /** Waiting for a connection. Beyond: 503. */
  databaseConnectMs: 10_000,
  /** Waiting for a row that somebody else changes. Beyond: 503, so that one stuck transaction cannot hold up the rest. */
  lockWaitMs: 10_000,
  /** One statement. Beyond: 503. */
  statementMs: 30_000,
  /** A statement without any answer: PostgreSQL would have ended it by then, so nobody is there. Beyond: 503. */
  databaseSilentMs: 35_000,
  /** A transaction between two statements. Beyond, PostgreSQL ends it: its locks must not outlive a hung process. */
  idleInTransactionMs: 60_000,
  /** Repetitions of a transaction that PostgreSQL ended to resolve a deadlock. Beyond: 503. */
  transactionRetriesMax: 3,
  /** What a client is told to wait after a 503, seconds. */
  retryAfterSeconds: 5,

  /** Requests in work at once in a process; more are shed with 503 while the ones in work can still be answered in time. */
  requestsInFlightMax: 1000,
  /** A whole request, headers and body; an honest client on a slow line sends 8 MB in that time. */
  requestMs: 60_000,
  headersMs: 15_000,
  /** An idle connection is kept longer than the 60 s of common load balancers, so that they close first, not we. */
  keepAliveMs: 65_000,
  /** Requests in flight at SIGTERM get this long; orchestrators kill after 30 s. */
  shutdownMs: 10_000,
  /** What a connection sent and was answered is kept this long: a month-end's trouble is looked into the month after. */
  provisioningLogDays: 45,
  /** An offer for seats holds this long: over a weekend, for whoever authorises it. Beyond: 409. */
  quoteHours: 72,
  /** What nobody used is forgotten after this time. */
  quotesKeptDays: 30,
  /** An Idempotency-Key is remembered this long: who repeats a purchase later than that means another one. */
  idempotencyKeysKeptDays: 90,
  /** An item of usage counts once for so long: whoever repeats after a failure does so the same week. */
  usageItemsKeptDays: 90,
  /** How often a process looks whether the clock has made something due: consequences follow within a minute. */
  dueWorkMs: 20_000,
  /** An access token: short, because it is copied about more than the secret that it was had for. */
  accessTokenSeconds: 3600,
  /** How far ahead the clock of the process that signed a token may be. Beyond: 401. */
  clockSkewSeconds: 60,
  /** A key signs access tokens this long; then a new one takes over. */
  signingKeyDays: 90,
  /** The keys are read again after this time: a key that somebody deletes is used no longer, in any process. */
  signingKeysRememberedMs: 60_000,
  /** A request id taken over from the client. Longer or stranger ones are replaced by our own. */
  requestIdLengthMax: 128,

  /**
   * Requests of one token: a second, sustained, and at once after a rest; USHER_RATE_LIMIT, USHER_RATE_BURST. Identity
   * providers send 25 to 50 a second; a Bulk counts each of its operations, and 1,000 are the most it holds. Beyond: 429.
   */
  rateLimitDefault: 100,
  rateBurstDefault: 1_000,
  /** A tenant's tokens together, as a multiple of one: four connections at full speed. More tokens are no way around. */
  tenantRateFactor: 4,
  /** Failed authentications of one address: a misconfigured client is told so, a guesser learns little. Beyond: 429. */
  failedAuthenticationsPerSecond: 20,
  failedAuthenticationsBurst: 100,
  /** Buckets of each kind that a process remembers, 200 bytes each. Beyond, the least recently used is full again. */
  rateBucketsMax: 10_000,
} as const;
