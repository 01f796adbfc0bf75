#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The process: runs a command and leaves with its exit code. */
import { runCli } from "./cli/program.ts";

process.exitCode = await runCli(process.argv.slice(2));
