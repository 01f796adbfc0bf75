/** `usher serve | migrate | tenant create|list | token mint`: one line a command, the work lies in the files beside. */
import { Command, InvalidArgumentError } from "commander";
import { readConfig } from "../config.ts";
import { createLogger } from "../log.ts";
import { StartRefused } from "../start-refused.ts";
import { migrateOnly } from "./migrate.ts";
import { serve } from "./serve.ts";
import { createTenant, listTenants } from "./tenant.ts";
import { mintToken } from "./token.ts";

/** Runs a command. Resolves to the exit code; a refusal is one sentence on standard error. */
export async function runCli(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  let code = 0;
  const program = createProgram(env, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    // A refusal is a sentence for the operator; anything else is a fault of ours, and its stack says where.
    console.error(error instanceof StartRefused ? error.message : (error as Error).stack);
    return 1;
  }
}

function createProgram(env: NodeJS.ProcessEnv, exit: (code: number) => void): Command {
  const program = new Command("usher").description("A SCIM 2.0 server with license pools and a promotion guard.");
  program
    .command("serve")
    .description("start the server; the first start makes the tenant demo")
    .action(async () => {
      const config = readConfig(env);
      exit(await serve(config, createLogger(config.logLevel)));
    });
  program
    .command("migrate")
    .description("bring the database to the state of this version")
    .action(() => migrateOnly(readConfig(env)));

  const tenant = program.command("tenant").description("manage tenants of a running server, as its operator");
  tenant
    .command("create")
    .argument("<name>")
    .option("--slug <slug>", "a short name; made from the name when absent")
    .option("--preset <preset>", "roles, tiers and settings to begin with", "default")
    .option("--seats <tier=number>", "seats to begin with; may be repeated", collectSeats, {})
    .option("--url <url>", "origin of the server")
    .action((name, options) => createTenant(readConfig(env), name, options));
  tenant
    .command("list")
    .option("--url <url>", "origin of the server")
    .action((options) => listTenants(readConfig(env), options));

  const token = program.command("token").description("manage tokens of a tenant of a running server");
  token
    .command("mint")
    .requiredOption("--tenant <slug>", "the tenant, by slug or id")
    .option("--label <label>", "what the token is for", "minted on the command line")
    .option("--scope <scope>", "scim, api or access; may be repeated; scim when absent", collect)
    .option("--role <key>", "the role that the token acts with; none when absent")
    .option("--expires-at <time>", "ISO 8601")
    .option("--url <url>", "origin of the server")
    .action((options) => mintToken(readConfig(env), options));
  return program;
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function collectSeats(value: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const [, tier, number] = /^([^=]+)=(\d+)$/.exec(value) ?? [];
  if (tier === undefined) throw new InvalidArgumentError("Write tier=number, such as standard=25.");
  return { ...before, [tier]: Number(number) };
}
