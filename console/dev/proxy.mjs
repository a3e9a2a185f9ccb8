/**
 * The built console before a running product that has no login yet: passes /api on to the node's own socket (so the visitor is the local
 * owner) and /v1 to the gateway. For looking only; it listens on loopback and opens the house to whoever reaches it.
 *
 *   node dev/proxy.mjs --socket <home>/run/node.sock --gateway 4000 [--port 4703]
 */
import { readFileSync, statSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { socket: { type: "string" }, gateway: { type: "string", default: "4000" }, port: { type: "string", default: "4703" } } });
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const user = { id: "local", email: "owner@localhost", name: "Local Owner", role: "owner", language: null };
const own = { "/api/setup": { claimed: true }, "/api/auth/me": { user, csrf: "" }, "/api/auth/login": { user }, "/api/auth/logout": {} };
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };

createServer((incoming, outgoing) => {
  const path = new URL(incoming.url, "http://here").pathname;
  if (own[path] !== undefined) return outgoing.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(own[path]));
  if (path.startsWith("/api/") || path.startsWith("/v1/")) {
    const where = path.startsWith("/api/") ? { socketPath: options.socket } : { host: "127.0.0.1", port: Number(options.gateway) };
    const { host: _, cookie: __, ...headers } = incoming.headers;
    const passed = ask({ ...where, method: incoming.method, path: incoming.url, headers: { ...headers, host: "sekisho" } }, (answer) => {
      if (path !== "/api/status") return outgoing.writeHead(answer.statusCode, answer.headers), answer.pipe(outgoing);
      // The console calls the gateway through this door, so that one origin does.
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => outgoing.writeHead(answer.statusCode, { "content-type": "application/json" }).end(JSON.stringify({ ...JSON.parse(text), ports: { gateway: Number(options.port), console: Number(options.port) } })));
    });
    passed.on("error", (error) => outgoing.writeHead(502).end(error.message));
    return incoming.pipe(passed);
  }
  let name = normalize(join(dist, path));
  if (!name.startsWith(dist) || !statSync(name, { throwIfNoEntry: false })?.isFile()) name = join(dist, "index.html");
  outgoing.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "content-security-policy": "default-src 'self'" }).end(readFileSync(name));
})
  .on("upgrade", (_, socket) => socket.destroy())
  .listen(Number(options.port), "127.0.0.1", () => console.log(`console at http://127.0.0.1:${options.port}`));
