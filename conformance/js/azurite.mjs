// Azurite's blob service, which ends when its standard input does: it cannot outlive whoever
// started it, however that one ended.
import { createRequire } from "node:module";

process.stdin.on("end", () => process.exit(0)).resume();
createRequire(import.meta.url)("azurite/dist/src/blob/main.js");
