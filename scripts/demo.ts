/**
 * `npm run demo`: a working day of an identity provider, over HTTP, in the dialect of Entra ID and then of Okta.
 *
 * It starts a server of its own on a free loopback port, with an embedded database in a temporary folder, and takes both
 * away at the end. With USHER_URL and USHER_OPERATOR_TOKEN it visits a running server instead, in a tenant made for the
 * day; `--keep` leaves that tenant behind. Everything it tells is checked: it ends with 1, naming the step, when an answer
 * is not as told.
 */
import { playAfternoon } from "./demo/afternoon.ts";
import { playEvening } from "./demo/evening.ts";
import { playMorning } from "./demo/morning.ts";
import { playNoon } from "./demo/noon.ts";
import { findServer, type Server } from "./demo/server.ts";
import { setTheStage } from "./demo/stage.ts";
import { NotAsTold, Story } from "./demo/story.ts";

const keep = process.argv.includes("--keep");

async function play(server: Server, story: Story): Promise<void> {
  const stage = await setTheStage(server, story);
  try {
    await playMorning(stage);
    await playNoon(stage);
    await playAfternoon(stage);
    await playEvening(stage);
  } finally {
    if (!keep) await stage.strike();
  }
}

async function main(): Promise<void> {
  const story = new Story((line) => console.log(line));
  const server = await findServer(process.env);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void server.close().then(() => process.exit(130)));
  }
  try {
    await play(server, story);
    story.end();
  } finally {
    await server.close();
  }
}

try {
  await main();
} catch (error) {
  const notAsTold = error instanceof NotAsTold;
  console.error(notAsTold ? `\nNot as told, at step ${error.step}:\n${error.message}` : error);
  process.exitCode = 1;
}
