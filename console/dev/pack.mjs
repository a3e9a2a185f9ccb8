/**
 * Puts the built console where the node serves it from: each file, its smaller forms for the wire, the licences of what is in them, and the
 * list of all of them.
 * The node reads what the list names and nothing else. The directory changes at once, or not at all.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const target = fileURLToPath(new URL("../../src/sekisho/api/static", import.meta.url));
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".woff2": "font/woff2",
};
/** woff2 is compressed already; a form that saves less than a twentieth is not worth a file. */
const WORTH = 0.95;

const smaller = {
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  gz: (bytes) => gzipSync(bytes, { level: 9 }),
};

/** What the licences of the bundled packages ask for: their texts travel with the files. */
function licences() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8"));
  const parts = [];
  for (const [path, { dev, optional, version, license }] of Object.entries(packages)) {
    if (path === "" || dev === true || optional === true) continue;
    const file = readdirSync(root + path).find((name) => /^(licen[cs]e|copying)/i.test(name));
    const text = file === undefined ? "" : readFileSync(`${root}${path}/${file}`, "utf8").trim();
    parts.push(`${path.replace(/^.*node_modules\//, "")} ${version} (${license ?? "see its text"})\n\n${text}\n`);
  }
  return `The console holds these packages, each under its own licence.\n\n${parts.sort().join(`\n${"-".repeat(78)}\n\n`)}`;
}
writeFileSync(`${dist}/licences.txt`, licences());

const fresh = `${target}.new`;
const former = `${target}.old`;
rmSync(fresh, { recursive: true, force: true });
const files = {};
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name).slice(dist.length).replaceAll("\\", "/");
  const type = types[extname(path)];
  if (type === undefined) throw new Error(`${path}: dev/pack.mjs knows no media type for it`);
  const bytes = readFileSync(dist + path);
  mkdirSync(dirname(fresh + path), { recursive: true });
  writeFileSync(fresh + path, bytes);
  const forms = [];
  if (type !== "font/woff2")
    for (const [ending, compress] of Object.entries(smaller)) {
      const form = compress(bytes);
      if (form.length > bytes.length * WORTH) continue;
      writeFileSync(`${fresh}${path}.${ending}`, form);
      forms.push(ending);
    }
  files[path] = { type, digest: createHash("sha256").update(bytes).digest("hex").slice(0, 32), forms };
}
writeFileSync(`${fresh}/files.json`, `${JSON.stringify(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))), null, 1)}\n`);
rmSync(former, { recursive: true, force: true });
try {
  renameSync(target, former);
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}
renameSync(fresh, target);
rmSync(former, { recursive: true, force: true });
console.log(`${Object.keys(files).length} files in src/sekisho/api/static`);
