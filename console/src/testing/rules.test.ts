import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { screens } from "@/app/manifest";
import { routeTree } from "@/app/router";
import { roundUp } from "@/components/gate-strip";
import { stack } from "@/components/time-chart";
import { safeNext } from "@/features/auth/login";
import { matches, queryOf } from "@/features/calls/filters";
import { spansOf, ticksOf } from "@/features/calls/lens";
import { limitOf } from "@/features/keys/fields";
import { isPrice } from "@/features/models/rate-dialog";
import { needsOf } from "@/features/overview/needs";
import { en } from "@/i18n/en";
import { ja } from "@/i18n/ja";
import type { Call, Key, Provider, Row } from "@/lib/api/types";
import { split } from "@/lib/periods";
import { parseSearch, stringifySearch } from "@/lib/search";
import { colourNames } from "@/lib/series";
import { snippets } from "@/lib/snippets";

describe("words", () => {
  const flat = (words: object, head = ""): Map<string, string> => new Map(Object.entries(words).flatMap(([name, value]) => (typeof value === "string" ? [[head + name, value] as const] : [...flat(value as object, `${head}${name}.`)])));
  const english = flat(en);
  const japanese = flat(ja);
  it("are the same keys in both languages, but for the English singular", () => {
    const expected = [...english.keys()].filter((key) => !key.endsWith("_one"));
    expect([...japanese.keys()].sort()).toEqual(expected.sort());
  });
  it("use the same holes", () => {
    const holes = (text: string) => [...new Set(text.match(/{{\w+}}|<\/?\w+>/g) ?? [])].filter((hole) => hole !== "{{count}}" && hole !== "{{n}}").sort();
    for (const [key, text] of japanese) expect([key, ...holes(text).filter((hole) => !holes(english.get(key) ?? "").includes(hole))]).toEqual([key]);
  });
  it("hold the tone: no exclamation marks, no please, no half-width punctuation after Japanese", () => {
    for (const [key, text] of english) expect([key, /!|please|oops|successfully/i.test(text)]).toEqual([key, false]);
    for (const [key, text] of japanese) expect([key, /！|お客様|いたしました|[\u3040-\u9fff][,.!?]/.test(text)]).toEqual([key, false]);
  });
});

describe("manifest", () => {
  it("lists screens that have a route, each with keys of its own", () => {
    const paths: string[] = [];
    const walk = (node: unknown): void => {
      const { fullPath, path, children } = node as { fullPath?: string; path?: string; children?: unknown };
      if (path !== undefined || fullPath !== undefined) paths.push(String((node as { options?: { path?: string } }).options?.path ?? ""));
      for (const child of Object.values((children ?? {}) as object)) walk(child);
    };
    walk(routeTree);
    for (const screen of screens) expect(paths).toContain(screen.to);
    expect(new Set(screens.map((screen) => screen.keys)).size).toBe(screens.length);
  });
});

describe("tokens", () => {
  const css = readFileSync("src/styles/tokens.css", "utf8");
  const theme = (name: string) => Object.fromEntries([...(css.split('[data-theme="dark"]')[name === "dark" ? 1 : 0] ?? "").matchAll(/--([\w-]+): (#[0-9A-F]{6});/gi)].map((match) => [match[1], match[2]])) as Record<string, string>;
  const light = (hex: string) =>
    [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255).map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)).reduce((sum, each, at) => sum + each * ([0.2126, 0.7152, 0.0722][at] ?? 0), 0);
  const contrast = (a = "#000000", b = "#000000") => {
    const [high = 0, low = 0] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  it.each(["light", "dark"])("hold their contrast in %s", (name) => {
    const tokens = theme(name);
    for (const ground of ["paper", "surface", "sunk"]) {
      for (const text of ["ink", "ink-2", "ink-3", "ai", "ai-strong", "shu", "odo", "roku"]) expect([ground, text, contrast(tokens[text], tokens[ground]) >= 4.5]).toEqual([ground, text, true]);
      for (const mark of ["line-strong", "shu-mark", "odo-mark", "roku-mark", "focus"]) expect([ground, mark, contrast(tokens[mark], tokens[ground]) >= 3]).toEqual([ground, mark, true]);
    }
    for (const signal of ["shu", "odo", "roku"]) expect(contrast(tokens[signal], tokens[`${signal}-wash`])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(tokens["on-ai"], tokens["ai"])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(tokens["door-ink"], tokens["door"])).toBeGreaterThanOrEqual(4.5);
  });
});

describe("addresses", () => {
  it("stay readable both ways", () => {
    const search = { last: "1h", status: "failed", model: "ollama/qwen3:8b" };
    expect(stringifySearch(search)).toBe("?last=1h&status=failed&model=ollama/qwen3:8b");
    expect(parseSearch(stringifySearch({ ...search, find: "a&b=c 関" }))).toEqual({ ...search, find: "a&b=c 関" });
  });
  it("after a login lead nowhere else", () => {
    expect(safeNext("/calls?last=1h")).toBe("/calls?last=1h");
    for (const bad of [undefined, "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]) expect(safeNext(bad)).toBe("/");
  });
});

const call = (part: Partial<Call>): Call => ({ id: "b-1", status: "completed", model: "a/b", provider: "a", key_id: "k", stages: {}, ...part }) as Call;

describe("calls", () => {
  it("are asked for by whole minutes", () => expect(queryOf({ last: "1h", key: "k" }, Date.parse("2026-11-20T14:03:29Z"))).toMatchObject({ since: "2026-11-20T13:03:00.000Z", key_id: "k" }));
  it("join a list only where they match", () => {
    expect(matches(call({}), { model: "a/b", status: "completed" })).toBe(true);
    expect(matches(call({}), { status: "failed" })).toBe(false);
    expect(matches(call({}), { until: "2026-01-01" })).toBe(false);
  });
  it("have stages one after another", () => {
    const spans = spansOf(call({ stages: { receive_us: 5, screen_us: 7, relay_us: 100 } }));
    expect(spans.find((span) => span.stage === "relay")).toMatchObject({ from: 12, us: 100 });
  });
  it("have round steps on their scale", () => {
    expect(ticksOf(4870)).toEqual([0, 2000, 4000]);
    expect(ticksOf(1130)).toEqual([0, 500, 1000]);
  });
});

describe("needs", () => {
  const now = new Date("2026-11-20T12:00:00Z");
  const key = (days: number, life = 90): Key => ({ id: "k", label: "k", expires_at: new Date(now.getTime() + days * 86_400_000).toISOString(), created_at: new Date(now.getTime() - (life - days) * 86_400_000).toISOString(), revoked_at: null }) as Key;
  it("are none where all is well", () => expect(needsOf({ unpriced: 0, keys: [key(40)], providers: [{ enabled: true, state: "ready", credentials: [], name: "a" } as unknown as Provider] }, now)).toEqual([]));
  it("name what fails, and leave out what is switched off or short-lived by design", () => {
    const failing = { enabled: true, state: "failing", credentials: [], name: "vllm" } as unknown as Provider;
    const found = needsOf({ unpriced: 3, keys: [key(2), key(0.5, 1), key(-1)], providers: [failing, { ...failing, enabled: false }] }, now);
    expect(found.map((need) => need.kind)).toEqual(["provider", "expiring", "unpriced"]);
  });
});

describe("periods", () => {
  it("are cut at the end of the report", () => {
    const end = Date.parse("2026-11-20T12:30:00Z");
    const row = (hoursAgo: number, calls: number) => ({ key: new Date(Math.floor(end / 3_600_000) * 3_600_000 - hoursAgo * 3_600_000).toISOString(), calls, failed: 0, input_tokens: 1, output_tokens: 1, cost: "0.5", unpriced: 0, duration_ms: 10, ttfb_ms: null }) as unknown as Row;
    const periods = split([row(0, 3), row(23, 4), row(30, 10), row(60, 99)], "24h", end);
    expect(periods.now.calls).toBe(7);
    expect(periods.before.calls).toBe(10);
    expect(periods.known).toBe(true);
    expect(periods.nowBuckets).toHaveLength(24);
    expect(periods.now.ttfbMs).toBeNull();
  });
});

describe("small rules", () => {
  it("limits are whole and above zero", () => expect(["", "60", "1,000", "0", "-1", "1.5", "x"].map(limitOf)).toEqual([null, 60, 1000, "bad", "bad", "bad", "bad"]));
  it("prices are plain decimals", () => expect(["0.15", "0", "10000", "10001", "1e3", "", "-1"].map(isPrice)).toEqual([true, true, true, false, false, false, false]));
  it("scales are round", () => expect([0, 3, 13, 42, 61].map(roundUp)).toEqual([3, 3, 15, 60, 90]));
  it("columns stack", () => expect(stack([{ name: "a", colour: "cat-1", values: [1, 2] }, { name: "b", colour: "cat-2", values: [3, 4] }])).toEqual([[1, 2], [4, 6]]));
  it("six colours at most, each once, the same at every visit", () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"];
    const given = colourNames(names);
    expect(new Set(given.values()).size).toBe(6);
    expect(colourNames(names)).toEqual(given);
  });
  it("snippets never hold a key and survive a quote", () => {
    const { curl, python } = snippets("http://localhost:4000", { model: "a/b", messages: [{ role: "user", content: "it's" }], stream: true });
    expect(curl).toContain("$SEKISHO_KEY");
    expect(curl).toContain("it'\\''s");
    expect(python).toContain("stream=True");
  });
});
