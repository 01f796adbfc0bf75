/** `usher migrate` */
import type { Config } from "../config.ts";
import { migrate } from "../db/migrate.ts";
import { openConfigured } from "./configured.ts";

export async function migrateOnly(config: Config): Promise<void> {
  const { database, close } = await openConfigured(config, () => {});
  try {
    const applied = await migrate(database);
    console.log(applied.length === 0 ? "Nothing to apply." : applied.map((name) => `Applied ${name}`).join("\n"));
  } finally {
    await close();
  }
}
