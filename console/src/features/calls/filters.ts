/** The filters of the list, as they stand in the address and as the API takes them. */
import type { Call } from "@/lib/api/types";

export interface CallFilters {
  last?: string;
  since?: string;
  until?: string;
  status?: string;
  model?: string;
  provider?: string;
  key?: string;
}

export const spans: Record<string, number> = { "15m": 900_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000, "90d": 90 * 86_400_000 };
export const statuses = ["completed", "failed", "cancelled"] as const;

/** The query of the API. The beginning is rounded to the minute, so that a page that is drawn again asks the same. */
export function queryOf(filters: CallFilters, now: number): Record<string, string | undefined> {
  const span = filters.last === undefined ? undefined : spans[filters.last];
  const since = span === undefined ? filters.since : new Date(Math.floor((now - span) / 60_000) * 60_000).toISOString();
  return { since, until: filters.until, status: filters.status, model: filters.model, provider: filters.provider, key_id: filters.key };
}

/** Whether a call that just came belongs to the list. */
export function matches(call: Call, filters: CallFilters): boolean {
  return (
    filters.until === undefined &&
    (filters.status === undefined || call.status === filters.status) &&
    (filters.model === undefined || call.model === filters.model) &&
    (filters.provider === undefined || call.provider === filters.provider) &&
    (filters.key === undefined || call.key_id === filters.key)
  );
}
