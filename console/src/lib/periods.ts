/** Reports over a period and the one before it, from the sums by hour that the API keeps. */
import { queryOptions } from "@tanstack/react-query";

import { request } from "@/lib/api/request";
import type { Report, Row } from "@/lib/api/types";

export type Range = "24h" | "7d" | "30d" | "90d";
export const ranges: readonly Range[] = ["24h", "7d", "30d", "90d"];

const HOUR = 3_600_000;
export const lengthOf: Record<Range, number> = { "24h": 24 * HOUR, "7d": 168 * HOUR, "30d": 720 * HOUR, "90d": 2160 * HOUR };

export function rangeOf(text: string | undefined): Range {
  return ranges.find((range) => range === text) ?? "24h";
}

export function reportQuery(period: string, by: "model" | "provider" | "key" | "project" | "hour" | "day") {
  return queryOptions({
    queryKey: ["usage", period, by],
    // The first time somebody has come to look; every fifteen seconds after that it is the page.
    queryFn: ({ client, queryKey }) => request<Report>("GET", "/api/usage", { query: { period, by }, byItself: client.getQueryData(queryKey) !== undefined }),
    staleTime: 10_000,
    refetchInterval: 15_000,
  });
}

/** The report that holds a range and the range before it. */
export function doubleReport(range: Range) {
  const wider = { "24h": "7d", "7d": "30d", "30d": "90d", "90d": "all" }[range];
  return reportQuery(wider, range === "90d" ? "day" : "hour");
}

export interface Sum {
  calls: number;
  failed: number;
  tokens: number;
  cost: number;
  unpriced: number;
  /** Means; null where nothing was called. */
  durationMs: number | null;
  ttfbMs: number | null;
}

export function sum(rows: readonly Row[]): Sum {
  let [calls, failed, tokens, cost, unpriced, duration, ttfb, timed] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const row of rows) {
    calls += row.calls;
    failed += row.failed;
    tokens += row.input_tokens + row.output_tokens;
    cost += Number(row.cost ?? 0);
    unpriced += row.unpriced;
    duration += (row.duration_ms ?? 0) * row.calls;
    if (row.ttfb_ms !== null) {
      ttfb += row.ttfb_ms * row.calls;
      timed += row.calls;
    }
  }
  return { calls, failed, tokens, cost, unpriced, durationMs: calls === 0 ? null : duration / calls, ttfbMs: timed === 0 ? null : ttfb / timed };
}

export interface Periods {
  now: Sum;
  before: Sum;
  /** Whether anything is known of the time before. */
  known: boolean;
  /** Twenty-four buckets (or as many as fit) of each. */
  nowBuckets: Sum[];
  beforeBuckets: Sum[];
}

/** Cut a report by hours into the range that ends at `end`, and the one before. */
export function split(rows: readonly Row[], range: Range, end: number, buckets = 24): Periods {
  const length = lengthOf[range];
  const lists = [0, 1].map(() => Array.from({ length: buckets }, (): Row[] => []));
  let known = false;
  for (const row of rows) {
    const at = Date.parse(row.key) + HOUR / 2;
    const age = end - at;
    if (age >= length && row.calls > 0) known = true;
    const which = Math.floor(Math.max(age, 0) / length);
    const place = buckets - 1 - Math.floor(((Math.max(age, 0) % length) / length) * buckets);
    lists[which]?.[place]?.push(row);
  }
  const [now = [], before = []] = lists;
  return { now: sum(now.flat()), before: sum(before.flat()), known, nowBuckets: now.map(sum), beforeBuckets: before.map(sum) };
}
