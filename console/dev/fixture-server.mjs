/**
 * A fixture: a small management API and gateway with realistic data, for looking at the console without a running product. Never bundled.
 *
 *   node dev/fixture-server.mjs [--port 4701] [--slow 2000] [--empty] [--dist dist]
 *
 * It serves the built console too, under the policy that the product sends, so that whatever breaks the policy breaks here.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const { values: options } = parseArgs({ options: { port: { type: "string", default: "4701" }, slow: { type: "string", default: "0" }, empty: { type: "boolean", default: false }, dist: { type: "string", default: "dist" } } });
const port = Number(options.port);
const dist = join(fileURLToPath(new URL("..", import.meta.url)), options.dist);

export const POLICY = "default-src 'self'; connect-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'";

// A generator with a seed, so that two pictures of the same state are the same picture.
let seed = 20261120;
function random() {
  seed = (seed * 1664525 + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const weighted = (pairs) => {
  let left = random() * pairs.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [value, weight] of pairs) if ((left -= weight) <= 0) return value;
  return pairs[0][0];
};

const HOUR = 3_600_000;
const now = () => Date.now();
const iso = (ms) => new Date(ms).toISOString().replace("Z", "000Z");

const rates = { "openai/gpt-5-mini": ["0.25", "2.00"], "anthropic/claude-sonnet-4-5": ["3.00", "15.00"], "vllm/llama-3.3-70b": ["0.40", "0.80"], "ollama/qwen3:8b": ["0", "0"], "openai/text-embedding-3-small": ["0.02", "0"] };
const models = [
  ["openai/gpt-5-mini", ["chat", "completions"], 400000], ["openai/gpt-5", ["chat", "completions"], 400000], ["openai/text-embedding-3-small", ["embeddings"], 8192],
  ["anthropic/claude-sonnet-4-5", ["chat"], 200000], ["vllm/llama-3.3-70b", ["chat", "completions"], 131072], ["ollama/qwen3:8b", ["chat", "completions"], 40960], ["ollama/nomic-embed-text", ["embeddings"], 2048],
  ["builtin/gemma-3-4b-q4", ["chat", "completions"], 8192], ["sandbox/echo", ["chat", "completions", "embeddings"], null], ["sandbox/lorem", ["chat", "completions"], null], ["sandbox/slow", ["chat"], null], ["sandbox/error-429", ["chat"], null],
].map(([id, capabilities, context]) => ({
  id, provider: id.split("/")[0], upstream_model: id.split("/").slice(1).join("/"), capabilities, context_length: context, origin: id.startsWith("sandbox") || id.startsWith("builtin") ? "builtin" : "listed", created_at: iso(now() - 40 * 24 * HOUR),
  rate: rates[id] ? { input_price: rates[id][0], output_price: rates[id][1], cached_input_price: id.startsWith("anthropic") ? "0.30" : null, currency: "USD", source: "bundled", since: "2026-11-01T00:00:00.000000Z" } : null,
}));
const modelWeights = [["openai/gpt-5-mini", 71], ["ollama/qwen3:8b", 48], ["anthropic/claude-sonnet-4-5", 23], ["vllm/llama-3.3-70b", 19], ["builtin/gemma-3-4b-q4", 13], ["openai/text-embedding-3-small", 6], ["sandbox/echo", 3], ["openai/gpt-5", 1]];
const keyNames = ["support-bot", "ci-review", "docs-search", "nightly-eval", "agent-sandbox", "mobile-app-v2", "legacy-import", "partner-acme", "room-helper", "billing-report", "kiosk-tokyo", "kiosk-osaka", "translator", "load-test", "intern-2026", "slides", "社内検索ボット"];
const keys = options.empty ? [] : keyNames.map((label, at) => ({
  id: createHash("sha256").update(label).digest("hex").slice(0, 12), label, project: ["support", "platform", "research", "product"][at % 4], models: at % 3 === 0 ? null : at % 3 === 1 ? ["openai/*", "ollama/qwen3:8b"] : ["vllm/*"],
  rpm: at % 2 ? 60 : null, tpm: at % 5 === 1 ? 200000 : null, concurrency: at % 4 === 0 ? 4 : null, last4: createHash("md5").update(label).digest("hex").slice(0, 4), created_at: iso(now() - (90 + at * 3) * 24 * HOUR),
  expires_at: label === "nightly-eval" ? iso(now() + 6 * 24 * HOUR) : label === "legacy-import" ? iso(now() - 19 * 24 * HOUR) : at % 4 === 2 ? iso(now() + (20 + at * 9) * 24 * HOUR) : null, rotated_at: null, revoked_at: label === "load-test" ? iso(now() - 3 * 24 * HOUR) : null,
  disabled_at: at === 6 ? iso(now() - 2 * 24 * HOUR) : null, last_used_at: at % 4 === 3 ? null : iso(now() - (at + 1) * 17 * 60_000), created_by: at % 3 === 0 ? null : { id: "u2", email: "hana@example.jp" }, state: label === "load-test" ? "revoked" : label === "legacy-import" ? "expired" : at === 6 ? "disabled" : "active",
}));
const keyWeights = keys.filter((key) => !key.revoked_at).map((key, at) => [key, Math.max(0.4, 88 / (at + 1) ** 1.25)]);
const providers = options.empty ? [] : [
  ["openai", "openai", "https://api.openai.com/v1", "ready", ["9f3a"]], ["anthropic", "custom", "https://api.anthropic.com/v1", "ready", ["77c1"]], ["vllm", "vllm", "http://gpu-2.internal:8000", "failing", []], ["ollama", "ollama", "http://127.0.0.1:11434", "ready", []],
].map(([name, kind, base_url, state, secrets], at) => ({
  id: `p${at}`, name, kind, base_url, enabled: true, state, ca_bundle: null, timeouts: null, credentials: secrets.map((last4, n) => ({ id: `c${at}${n}`, last4, fingerprint: createHash("sha256").update(last4).digest("hex"), weight: 1, state: "ready", created_at: iso(now() - 50 * 24 * HOUR) })),
  models: models.filter((model) => model.provider === name).map((model) => model.id), created_at: iso(now() - 60 * 24 * HOUR), updated_at: iso(now() - 4 * 24 * HOUR),
}));

const apis = options.empty ? [] : [["assistant", "お客様の質問に答える", "openai/gpt-5-mini", { temperature: 0.2, max_tokens: 800, system_prompt: "You answer customers of a railway, in their language, in at most five sentences." }], ["classify", "", "ollama/qwen3:8b", { temperature: 0, max_tokens: 8, stop: ["\n"], seed: 7 }], ["docs-search", "Documentation search", "vllm/llama-3.3-70b", {}], ["night-batch", "Nightly evaluation", "anthropic/claude-sonnet-4-5", { max_tokens: 4000 }]].map(([name, title, target, defaults], at) => ({
  name, title, description: at === 0 ? "What the chat on the website calls. Ask Hana before exchanging its target." : "", target, enabled: name !== "night-batch", defaults, state: name === "night-batch" ? "disabled" : name === "docs-search" ? "broken" : "ready", reason: name === "docs-search" ? "the provider vllm is switched off." : null, created_at: iso(now() - (40 - at) * 24 * HOUR), updated_at: iso(now() - 24 * HOUR), version: 1,
}));
keys.forEach((key, at) => {
  key.state = key.revoked_at ? "revoked" : key.expires_at && Date.parse(key.expires_at) < now() ? "expired" : "active";
  if (at % 3 === 2) key.models = at % 2 ? ["assistant"] : ["assistant", "classify", "vllm/*"];
});

let number = 0;
function makeCall(at, forced = {}) {
  number += 1;
  const model = forced.model ?? weighted(modelWeights);
  const key = forced.key ?? weighted(keyWeights);
  const status = forced.status ?? weighted([["completed", 985], ["failed", 8], ["cancelled", 7]]);
  const fast = model.startsWith("sandbox") ? 0.002 : model.includes("embed") ? 0.1 : 1;
  const first = Math.round((180_000 + random() ** 2 * 1_400_000) * fast);
  const relay = model.includes("embed") ? 200 : Math.round((300_000 + random() ** 2 * 5_000_000) * fast);
  const input = Math.round(60 + random() ** 2 * 3000);
  const output = model.includes("embed") ? 0 : Math.round(20 + random() ** 2 * 800);
  const cached = random() < 0.25 ? Math.round(input * 0.6) : 0;
  const stages = { receive_us: 40 + Math.round(random() * 60), screen_us: 9 + Math.round(random() * 8), authenticate_us: 14 + Math.round(random() * 10), body_us: 60 + Math.round(random() * 400), route_us: 30 + Math.round(random() * 20), admit_us: 44 + Math.round(random() * 30), connect_us: 300 + Math.round(random() * 900), first_byte_us: first, relay_us: status === "failed" ? 0 : relay };
  const duration = Object.values(stages).reduce((a, b) => a + b, 0) / 1000;
  const rate = models.find((each) => each.id === model)?.rate;
  const free = model.startsWith("sandbox") || model.startsWith("builtin");
  const cost = status === "failed" ? 0 : rate ? ((input - cached) * Number(rate.input_price) + cached * Number(rate.cached_input_price ?? rate.input_price) + output * Number(rate.output_price)) / 1e6 : free ? 0 : null;
  const code = status === "completed" ? 200 : status === "cancelled" ? 499 : pick([429, 502, 504]);
  return {
    id: `${"b7k2q9xw"}-${number}`, request_id: forced.request_id ?? `req_01k${randomBytes(8).toString("hex")}`, client_request_id: null, started_at: iso(at), status, http_status: code, method: "POST", path: "/v1/chat/completions", model, provider: model.split("/")[0], upstream_model: model.split("/").slice(1).join("/"), api: forced.api ?? (key?.models?.includes("assistant") && model === "openai/gpt-5-mini" ? "assistant" : ""), credential_id: null,
    key_id: key?.id ?? "k0", key_label: key?.label ?? "first key", project: key?.project ?? "default", address: pick(["203.0.113.24", "203.0.113.25", "198.51.100.7"]), user_agent: pick(["openai-python/2.8.0", "openai-node/6.4.1", "curl/8.15.0"]), stream: random() < 0.7, input_tokens: input, output_tokens: status === "failed" ? 0 : output, cached_tokens: cached, reasoning_tokens: 0,
    usage_source: random() < 0.04 ? "estimated" : "provider", cost: cost === null ? null : cost.toFixed(10), currency: cost === null ? null : "USD", duration_ms: duration, ttfb_ms: status === "failed" ? null : (duration * 1000 - stages.relay_us) / 1000, stages, attempts: random() < 0.03 ? 2 : 1,
    error: status === "failed" ? { code: code === 504 ? "provider_timeout" : code === 429 ? "provider_rate_limited" : "provider_unreachable", message: code === 504 ? "the provider sent no first byte within 6 s" : code === 429 ? "the provider is over its rate limit" : "the connection to the provider was closed" } : null, finish_reason: status === "completed" ? "stop" : null, upstream_status: code === 429 ? 429 : null, bytes_in: input * 4, bytes_out: output * 5,
  };
}

const calls = [];
if (!options.empty) {
  for (let at = now() - 26 * HOUR; at < now() - 330_000; at += 24_000 + random() * 40_000) calls.push(makeCall(at));
  for (let at = now() - 310_000; at < now(); at += 1000) for (let n = 0; n < 3 + Math.sin(at / 40_000) * 2 + random() * 3; n += 1) calls.push(makeCall(at + random() * 900, { status: at > now() - 160_000 && at < now() - 148_000 && random() < 0.4 ? "failed" : undefined }));
}

function sums(calls_, extra = {}) {
  const total = { calls: 0, completed: 0, failed: 0, cancelled: 0, unpriced: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0, cost: 0, duration_ms: 0, ttfb_ms: 0, ...extra };
  for (const each of calls_) for (const name of Object.keys(each)) if (name in total && typeof total[name] === "number") total[name] += each[name];
  return total;
}
/** One row per hour of the last 90 days, split over models and keys by weight. */
const hours = [];
if (!options.empty) {
  const start = Math.floor(now() / HOUR) * HOUR - 90 * 24 * HOUR;
  for (let at = start; at <= now(); at += HOUR) {
    const hour = new Date(at).getUTCHours();
    const busy = (0.35 + 0.65 * Math.max(0, Math.sin(((hour - 3) / 24) * Math.PI * 2 - 0.6))) * (0.9 + random() * 0.2) * (1 + (at - start) / (90 * 24 * HOUR) / 2);
    const count = Math.round(9800 * busy * (now() - at < HOUR ? (now() - at) / HOUR : 1));
    hours.push({ at, calls: count, failed: Math.round(count * (0.003 + random() * 0.002 + (now() - at > 9 * HOUR && now() - at < 10 * HOUR ? 0.012 : 0))), cancelled: Math.round(count * 0.006), tokens: 1690 * count, cost: count * 0.00115, duration: 1700 + random() * 700, ttfb: 280 + random() * 120 });
  }
}
function row(key, label, part, share) {
  const count = Math.round(part.calls * share);
  const failed = Math.round(part.failed * share);
  const free = String(key).startsWith("ollama") || String(key).startsWith("builtin") || String(key).startsWith("sandbox");
  const cost = free ? 0 : part.cost * share;
  return { key, label, calls: count, failed, cancelled: Math.round(part.cancelled * share), completed: count - failed - Math.round(part.cancelled * share), unpriced: key === "openai/gpt-5" ? count : 0, input_tokens: Math.round(part.tokens * share * 0.75), output_tokens: Math.round(part.tokens * share * 0.25), cached_tokens: Math.round(part.tokens * share * 0.2), reasoning_tokens: 0, cost: cost.toFixed(10), currency: "USD", costs: [{ cost: cost.toFixed(10), currency: "USD" }], duration_ms: part.duration, ttfb_ms: part.ttfb };
}
function report(period, by) {
  const span = { "24h": 24, "7d": 168, "30d": 720, "90d": 2160, all: 1e6 }[period];
  const part = hours.filter((hour) => hour.at >= now() - span * HOUR - HOUR);
  const all = part.reduce((sum, hour) => ({ calls: sum.calls + hour.calls, failed: sum.failed + hour.failed, cancelled: sum.cancelled + hour.cancelled, tokens: sum.tokens + hour.tokens, cost: sum.cost + hour.cost, duration: hour.duration, ttfb: hour.ttfb }), { calls: 0, failed: 0, cancelled: 0, tokens: 0, cost: 0, duration: 0, ttfb: 0 });
  const spread = (pairs) => {
    const weight = pairs.reduce((sum, [, , each]) => sum + each, 0) || 1;
    return pairs.map(([key, label, each]) => row(key, label, all, each / weight)).filter((each) => each.calls > 0).sort((a, b) => b.calls - a.calls);
  };
  let rows = [];
  if (by === "hour") rows = part.map((hour) => row(iso(hour.at), null, hour, 1)).reverse();
  else if (by === "day") {
    const days = new Map();
    for (const hour of part) {
      const day = Math.floor(hour.at / (24 * HOUR)) * 24 * HOUR;
      const held = days.get(day) ?? { calls: 0, failed: 0, cancelled: 0, tokens: 0, cost: 0, duration: hour.duration, ttfb: hour.ttfb };
      for (const name of ["calls", "failed", "cancelled", "tokens", "cost"]) held[name] += hour[name];
      days.set(day, held);
    }
    rows = [...days].map(([day, held]) => row(iso(day), null, held, 1)).reverse();
  } else if (by === "model") rows = spread(modelWeights.map(([id, weight]) => [id, null, weight]));
  else if (by === "key") rows = spread(keyWeights.map(([key, weight]) => [key.id, key.label, weight]));
  else if (by === "project") rows = spread([["support", null, 5], ["platform", null, 3], ["research", null, 2], ["product", null, 1]]);
  else rows = spread(["openai", "ollama", "anthropic", "vllm", "builtin"].map((name, at) => [name, null, 6 - at]));
  if (options.empty) rows = [];
  const totals = row("", null, all, 1);
  Object.assign(totals, { duration_p50_ms: all.duration * 0.7, duration_p95_ms: all.duration * 3.1, ttfb_p50_ms: all.ttfb * 0.8, ttfb_p95_ms: all.ttfb * 2.6 });
  if (by === "model") totals.unpriced = rows.reduce((sum, each) => sum + each.unpriced, 0);
  return { period: { from: iso(now() - span * HOUR), to: iso(now()) }, totals, rows, truncated: false };
}

let claimed = !options.empty;
let signedIn = false;
let revision = 1418;
const user = { id: "u1", email: "kaoru@example.jp", name: "Aoki Kaoru", role: "owner", language: null };
const backups = options.empty ? [] : [{ path: "/var/lib/sekisho/backups/sekisho-20261120T020000.db", bytes: 48_211_968, calls: 1_204_331, keys: 17, created_at: iso(now() - 9 * HOUR) }];
const settings = [["gateway.port", 4000, "default"], ["gateway.host", "127.0.0.1", "default"], ["console.port", 4001, "default"], ["workers.count", 2, "SEKISHO_WORKERS__COUNT"], ["journal.segment_bytes", 67108864, "default"], ["bounds.refusals_per_s", 100, "default"], ["database.url", "sqlite:///…/sekisho.db", "default"], ["logs.level", "info", "sekisho.toml"], ["tls.mode", "off", "default"], ["timeouts.first_byte_s", 600, "default"]];

const fault = (status, code, message, param = null) => [status, { error: { type: "invalid_request_error", code, message, param, request_id: "req_fixture" } }];
const newKey = (key) => `sk-sek-${key.id}-${randomBytes(32).toString("base64url")}`;

const people = options.empty ? [] : [["u1", "kaoru@example.jp", "Aoki Kaoru", "owner"], ["u2", "hana@example.jp", "花田 はな", "admin"], ["u3", "ken@example.org", "Ken Ito", "user"], ["u4", "visitor@example.org", "A visitor", "guest"]].map(([id, email, name, role], at) => ({ id, email, name, role, language: null, active: at !== 3, has_password: true, created_at: iso(now() - (90 - at * 9) * 24 * HOUR), updated_at: iso(now()), last_login_at: at === 3 ? null : iso(now() - (at + 1) * 3 * HOUR), deactivated_at: at === 3 ? iso(now() - HOUR) : null }));
const projects = ["default", "platform", "product", "research", "support"].map((name, at) => ({ id: `pr${at}`, name, title: name === "support" ? "お客様サポート" : name[0].toUpperCase() + name.slice(1), description: "", owner_id: "u1", archived: false, archived_at: null, created_at: iso(now() - 60 * 24 * HOUR), updated_at: iso(now()), members: at, live_keys: at * 3, role: at === 1 ? "maintainer" : null }));
const audit = Array.from({ length: 120 }, (_, at) => ({ seq: 120 - at, at: iso(now() - at * at * 60_000), actor: pick(["kaoru@example.jp", "hana@example.jp", "local owner"]), actor_kind: "user", actor_id: "u1", token_id: null, address: pick(["203.0.113.24", null]), request_id: `req_01k${120 - at}`, action: pick(["key.created", "key.revoked", "provider.changed", "session.started", "user.role_changed"]), object_kind: "key", object_id: `k${at}`, project: "support", before: at % 3 === 0 ? { label: "ci-review", rpm: 60 } : null, after: { label: "ci-review", rpm: 120 }, erased: false, hash: createHash("sha256").update(String(at)).digest("hex") }));

const issuers = options.empty ? [] : [{ id: "is1", name: "corp", title: "Example Corp.", issuer: "https://login.example.com", client_id: "sekisho", has_secret: true, console_url: "https://gateway.example.com", redirect_uri: "https://gateway.example.com/api/auth/oidc/corp/callback", algorithm: "RS256", scopes: ["openid", "email", "profile"], groups_claim: "groups", group_roles: { platform: "admin", staff: "user" }, default_role: null, link_by_email: false, ca_bundle: null, enabled: true, created_at: iso(now() - 40 * 24 * HOUR), updated_at: iso(now() - 9 * 24 * HOUR) }];

/** What is told of people, projects and their acts; undefined where the address is another. */
function governed(path) {
  const page = { next_cursor: null };
  const [, , noun, id, part] = path.split("/");
  if (noun === "users") return part === "sessions" ? { sessions: [], ...page } : part === "tokens" ? { tokens: [] } : id === undefined ? { users: people, ...page } : people.find((each) => each.id === id);
  if (noun === "projects") return part === "members" ? { members: people.slice(1, 3).map((each) => ({ user_id: each.id, email: each.email, name: each.name, role: "editor", created_at: each.created_at })), ...page } : id === undefined ? { projects, ...page } : projects.find((each) => each.name === id);
  if (path === "/api/invitations") return { invitations: [{ id: "i1", email: "mio@example.jp", role: "user", project: "support", project_role: "editor", made_by: "u1", created_at: iso(now() - HOUR), expires_at: iso(now() + 90 * HOUR), accepted_at: null, withdrawn_at: null }], ...page };
  if (noun === "issuers") return id === undefined ? { issuers, ...page } : issuers.find((each) => each.name === id);
  if (path === "/api/audit/check") return { ok: true, rows: 120, first: 1, last: 120, anchor: `120:${audit[0].hash}`, fault: null };
  if (path === "/api/audit") return { rows: audit, ...page };
  if (path === "/api/auth/sessions") return { sessions: [{ id: "s1", kind: "console", created_at: iso(now()), seen_at: iso(now()), expires_at: iso(now() + 9 * HOUR), address: "203.0.113.24", agent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0", current: true }], ...page };
  if (path === "/api/auth/tokens") return { tokens: [{ id: "t1", name: "nightly script", last4: "9f3a", scopes: null, created_at: iso(now() - 9 * HOUR), expires_at: iso(now() + 2000 * HOUR), last_used_at: null }] };
  if (path === "/api/auth/totp") return { enabled: false, confirmed_at: null, recovery_codes: 0 };
  return undefined;
}

/** Routes of the fixture: [status, body]. */
function answer(method, path, query, body) {
  if (path === "/api/setup") return [200, { claimed, registration: "invite-only" }];
  if (path === "/api/auth/oidc") return [200, { issuers: [] }];
  if (path === "/api/setup/claim") {
    if (claimed || body.token === "used") return fault(410, "link_used", "the setup link was used");
    claimed = signedIn = true;
    Object.assign(user, { email: body.email, name: body.name });
    return [200, { user, csrf: "fixture" }];
  }
  if (path === "/api/auth/login") {
    if (body.password !== "open sesame again") return fault(401, "credentials_wrong", "the e-mail or the password is wrong");
    signedIn = true;
    return [200, { user, csrf: "fixture" }];
  }
  if (path === "/api/auth/logout") return (signedIn = false), [200, {}];
  if (!signedIn) return fault(401, "authentication_required", "log in first");
  if (path === "/api/auth/me") return [200, { user, csrf: "fixture" }];
  const told = governed(path);
  if (told !== undefined) return [200, told];
  if (path === "/api/status") return [200, { version: "1.4.0", supervisor: 4100, node: 4101, workers: [4102, 4103], ports: { gateway: port, console: port }, revision, journal_lag_s: 0.041, journal_set_aside: 0, outage: null, sealed_copy_trouble: null, engines: [{ model: "builtin/gemma-3-4b-q4", state: "awake", pid: 4110, falls: 0, last_error: null }], started_at: iso(now() - 53 * HOUR), home: "/var/lib/sekisho", database: "sqlite" }];
  if (path === "/api/settings") return [200, { settings: settings.map(([name, value, source]) => ({ name, value, source })) }];
  if (path === "/api/doctor") return [200, { ok: true, findings: [{ level: "warning", name: "sqlite", message: "SQLite 3.40.1 can corrupt a database in rare cases when several connections write.", remedy: "Upgrade the system's SQLite to 3.51.3 or newer, or use PostgreSQL." }, { level: "hint", name: "backups", message: "The last backup is 9 hours old.", remedy: "sekisho backup create" }] }];
  if (path === "/api/check") return [200, { ok: true, checks: [{ name: "database", ok: true, detail: "integrity_check: ok" }, { name: "calls", ok: true, detail: "1,204,331 calls, sums agree" }, { name: "credentials", ok: true, detail: "2 of 2 open with this secret key" }] }];
  if (path === "/api/backups" && method === "POST") {
    const made = { ...backups[0], path: `/var/lib/sekisho/backups/sekisho-${Date.now()}.db`, bytes: 48_300_000, calls: 1_204_999, keys: keys.length, created_at: iso(now()) };
    backups.unshift(made);
    return [201, made];
  }
  if (path === "/api/backups") return [200, { backups, next_cursor: null }];
  if (path === "/api/system/reload") return [202, { accepted: true }];
  if (path === "/api/usage") return [200, report(query.get("period") ?? "24h", query.get("by") ?? "model")];
  if (path === "/api/refusals") return [200, { refusals: [], next_cursor: null }];
  if (path === "/api/calls/count") return [200, { count: filtered(query).length, exact: true }];
  if (path === "/api/calls") {
    const list = filtered(query);
    const from = Number(query.get("cursor") || 0);
    const limit = Number(query.get("limit") ?? 100);
    const page = list.slice(from, from + limit);
    return [200, { calls: page, next_cursor: from + limit < list.length ? String(from + limit) : null }];
  }
  let found = /^\/api\/calls\/(.+)$/.exec(path);
  if (found) {
    const call = calls.find((each) => each.id === decodeURIComponent(found[1]) || each.request_id === found[1]);
    return call ? [200, call] : fault(404, "call_not_found", "there is no such call");
  }
  if (path === "/api/keys" && method === "POST") {
    if (keys.some((key) => key.label === body.label && body.label === "support-bot")) return fault(422, "invalid_value", "another key has this name", "label");
    const key = { id: randomBytes(6).toString("hex"), label: body.label, project: "default", models: body.models ?? null, rpm: body.rpm ?? null, tpm: body.tpm ?? null, concurrency: body.concurrency ?? null, last4: "YkXa", state: "active", created_at: iso(now()), expires_at: body.expires_in_s ? iso(now() + body.expires_in_s * 1000) : null, rotated_at: null, revoked_at: null, disabled_at: null, last_used_at: null, created_by: null };
    keys.unshift(key);
    revision += 1;
    return [201, { revision, warnings: [], ...key, plain_key: newKey(key) }];
  }
  if (path === "/api/keys") return [200, { api_keys: keys.filter((key) => !query.get("state") || key.state === query.get("state")), next_cursor: null }];
  found = /^\/api\/keys\/([^/]+)(\/revoke|\/rotate)?$/.exec(path);
  if (found) {
    const key = keys.find((each) => each.id === found[1]);
    if (!key) return fault(404, "key_not_found", "there is no such key");
    if (found[2] === "/revoke") return (key.revoked_at = iso(now())), [200, { revision: (revision += 1), warnings: [], id: key.id, revoked: true, revoked_at: key.revoked_at }];
    if (found[2] === "/rotate") return [200, { revision: (revision += 1), warnings: [], id: key.id, old_key_id: key.id, label: key.label, last4: key.last4, plain_key: newKey(key), rotated_at: iso(now()), overlap_until: body?.overlap_s ? iso(now() + body.overlap_s * 1000) : null }];
    if (method === "PATCH") return Object.assign(key, body, "enabled" in body ? { disabled_at: body.enabled ? null : iso(now()) } : {}), [200, { revision: (revision += 1), warnings: [], ...key }];
    return [200, key];
  }
  if (path === "/api/providers" && method === "POST") {
    if (body.api_key === "wrong") return fault(422, "credential_refused", "openai answered 401: the credential is wrong; nothing was saved");
    const provider = { id: `p${providers.length}`, name: body.name, kind: body.kind, base_url: body.base_url ?? "https://api.openai.com/v1", enabled: true, state: "ready", ca_bundle: null, timeouts: null, credentials: [{ id: "cx", last4: String(body.api_key ?? "").slice(-4), fingerprint: "ab12", weight: 1, state: "ready", created_at: iso(now()) }], models: [`${body.name}/gpt-5-mini`], created_at: iso(now()), updated_at: iso(now()) };
    providers.push(provider);
    return [201, { revision: (revision += 1), warnings: [], ...provider }];
  }
  if (path === "/api/providers") return [200, { providers, next_cursor: null }];
  found = /^\/api\/providers\/([^/]+)(\/test|\/refresh)?$/.exec(path);
  if (found) {
    const provider = providers.find((each) => each.name === found[1]);
    if (!provider) return fault(404, "provider_not_found", "there is no such provider");
    if (found[2] === "/test") return [200, provider.state === "failing" ? { ok: false, latency_ms: null, models: 0, error: `${provider.base_url} refused the connection` } : { ok: true, latency_ms: 41.2, models: provider.models.length, error: null }];
    if (found[2] === "/refresh") return [200, { revision, warnings: [], ...provider, added: [], removed: [] }];
    if (method === "DELETE") return providers.splice(providers.indexOf(provider), 1), [200, { revision: (revision += 1), warnings: [], id: provider.id, name: provider.name, deleted: true }];
    if (method === "PATCH") return Object.assign(provider, "enabled" in body ? { enabled: body.enabled } : {}), [200, { revision: (revision += 1), warnings: [], ...provider }];
    return [200, provider];
  }
  if (path === "/api/apis" && method === "POST") {
    if (body.name === "taken" || apis.some((each) => each.name === body.name)) return fault(409, "name_taken", `${body.name} is the name of something else already; choose another`, "name");
    const api = { title: "", description: "", defaults: {}, enabled: true, ...body, state: "ready", reason: null, created_at: iso(now()), updated_at: iso(now()), version: 1 };
    apis.push(api);
    apis.sort((a, b) => (a.name < b.name ? -1 : 1));
    return [201, { revision: (revision += 1), warnings: [], ...api }];
  }
  if (path === "/api/apis") return [200, { apis, next_cursor: null }];
  found = /^\/api\/apis\/([^/]+)$/.exec(path);
  if (found) {
    const api = apis.find((each) => each.name === found[1]);
    if (!api) return fault(404, "not_found", "there is no such API");
    if (method === "DELETE") return apis.splice(apis.indexOf(api), 1), [200, { revision: (revision += 1), warnings: [], name: api.name, deleted: true }];
    if (method === "PATCH") Object.assign(api, body, { state: (body.enabled ?? api.enabled) ? (api.name === "docs-search" ? "broken" : "ready") : "disabled", updated_at: iso(now()) });
    return [200, { revision, warnings: [], ...api }];
  }
  if (path === "/api/models") return [200, { models: options.empty ? models.filter((model) => model.provider === "sandbox" || model.provider === "ollama") : models, next_cursor: null }];
  found = /^\/api\/models\/(.+?)(\/rate)?$/.exec(path);
  if (found) {
    const model = models.find((each) => each.id === found[1]);
    if (!model) return fault(404, "model_not_found", "there is no such model");
    if (found[2]) model.rate = { ...body, source: "set by hand", since: iso(now()) };
    return [200, { revision, warnings: [], ...model }];
  }
  return fault(404, "route_not_found", `there is no ${path} here`);
}

function filtered(query) {
  const wanted = (name, read) => (query.get(name) ? (call) => read(call) === query.get(name) : () => true);
  const tests = [wanted("status", (call) => call.status), wanted("model", (call) => call.model), wanted("api", (call) => call.api), wanted("provider", (call) => call.provider), wanted("key_id", (call) => call.key_id), (call) => !query.get("since") || call.started_at >= query.get("since")];
  return calls.filter((call) => tests.every((test) => test(call))).sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
}

const replies = ["A **sekisho** was a checkpoint on an old highway:\n\n1. papers were checked,\n2. tolls were noted,\n3. and only those passed who might.\n\nIt kept the road *quiet* while people travelled. ", "関所とは、街道の要所に置かれ、通行人の身元と荷物を改め、治安を守り通行税を徴収した施設です。\n\n```python\nprint('関所')\n```\n\n![map](https://elsewhere.example/map.png) <b>no</b> [more](https://example.org/sekisho)"];

function converse(request, response, body) {
  const model = body.model;
  const id = `req_01k${randomBytes(8).toString("hex")}`;
  if (model === "sandbox/error-429") {
    response.writeHead(429, { "content-type": "application/json", "x-request-id": id }).end(JSON.stringify({ error: { message: "the sandbox refuses every call of this model", type: "rate_limit_error", code: "rate_limited" } }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": id, "server-timing": "gateway;dur=0.190, upstream;dur=180.000" });
  const text = model === "sandbox/echo" ? String(body.messages.at(-1).content) : /関所/.test(JSON.stringify(body.messages)) || model.startsWith("ollama") ? replies[1] : replies[0];
  const pieces = text.match(/[\s\S]{1,4}/g) ?? [];
  let at = 0;
  const timer = setInterval(() => {
    if (at < pieces.length) response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: pieces[at++] } }] })}\n\n`);
    else {
      clearInterval(timer);
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\ndata: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 21, completion_tokens: 46 } })}\n\ndata: [DONE]\n\n`);
      response.end();
      const call = makeCall(now() - 900, { model: apis.find((each) => each.name === model)?.target ?? (models.some((each) => each.id === model) ? model : "sandbox/echo"), api: apis.some((each) => each.name === model) ? model : "", status: "completed", request_id: id, key: keys[0] });
      calls.push(call);
      tell("call.ended", call);
    }
  }, model.startsWith("sandbox") ? 2 : 18);
  request.on("close", () => clearInterval(timer));
}

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json" };
function file(response, path) {
  const inside = normalize(join(dist, path));
  let name = inside.startsWith(dist) ? inside : join(dist, "index.html");
  try {
    if (!statSync(name).isFile()) name = join(dist, "index.html");
  } catch {
    name = join(dist, "index.html");
  }
  response.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": name.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache" }).end(readFileSync(name));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://fixture");
  let text = "";
  for await (const piece of request) text += piece;
  const body = text === "" ? {} : JSON.parse(text);
  if (url.pathname.replace(/^\/gateway/, "") === "/v1/chat/completions") return converse(request, response, body);
  if (!url.pathname.startsWith("/api/")) return file(response, url.pathname);
  const [status, told] = answer(request.method, url.pathname, url.searchParams, body);
  setTimeout(() => response.writeHead(status, { "content-type": "application/json", "x-request-id": "req_fixture" }).end(JSON.stringify(told)), Number(options.slow));
});

let seq = 0;
const sockets = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  if (!request.url.startsWith("/api/live") || !signedIn) return socket.destroy();
  sockets.handleUpgrade(request, socket, head, () => undefined);
});
function tell(type, data) {
  seq += 1;
  for (const client of sockets.clients) client.send(JSON.stringify({ seq, type, data }));
}
setInterval(() => {
  if (options.empty) return;
  const count = Math.round(3 + Math.sin(now() / 40_000) * 2 + random() * 3);
  for (let n = 0; n < count; n += 1) {
    const call = makeCall(now() - 500);
    calls.push(call);
    tell("call.ended", call);
  }
}, 1000).unref();
server.listen(port, "127.0.0.1", () => console.log(`fixture at http://127.0.0.1:${port}`));
