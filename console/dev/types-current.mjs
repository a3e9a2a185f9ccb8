/** Ends with 1 where src/lib/api/schema.gen.ts is not what openapi.json gives. */
import { readFileSync } from "node:fs";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

const made = COMMENT_HEADER + astToString(await openapiTS(new URL("../openapi.json", import.meta.url)));
if (readFileSync(new URL("../src/lib/api/schema.gen.ts", import.meta.url), "utf8") !== made) {
  console.error("src/lib/api/schema.gen.ts is not current; run `npm run types`");
  process.exitCode = 1;
}
