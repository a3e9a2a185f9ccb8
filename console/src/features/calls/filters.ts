/** The filters of the list, as they stand in the address and as the API takes them. */
import type { Call } from "@/lib/api/types";

export interface CallFilters {
  last?: string;
  since?: string;
  until?: string;
  status?: string;
  api?: string;
  model?: string;
  provider?: string;
  key?: string;
  project?: string;
  /** The code of an error, exactly. */
  error?: string;
  /** Milliseconds that a call took at least. */
  slower?: string;
  /** How a request id begins, ours or the client's. */
  find?: string;
}

export const filterNames = ["last", "since", "until", "status", "api", "model", "provider", "key", "project", "error", "slower", "find"] as const satisfies (keyof CallFilters)[];
export const spans: Record<string, number> = { "15m": 900_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000, "90d": 90 * 86_400_000 };
export const statuses = ["completed", "failed", "cancelled"] as const;
/** Durations that one usually asks for, in milliseconds. */
export const slownesses = ["1000", "5000", "10000", "30000", "60000"] as const;

/** Only the filters of an address; what else stands there says nothing about the list. */
export function filtersOf(search: CallFilters): CallFilters {
  return Object.fromEntries(filterNames.filter((name) => search[name] !== undefined).map((name) => [name, search[name]]));
}

/** What the API would refuse is left out: an address is typed by people. */
function moment(text: string | undefined): string | undefined {
  return text === undefined || Number.isNaN(Date.parse(text)) ? undefined : text;
}

function slowness(text: string | undefined): number | undefined {
  const value = Number(text);
  return text === undefined || text.trim() === "" || Number.isNaN(value) || value < 0 || value > 1e9 ? undefined : value;
}

/** The query of the API. The beginning is rounded to the minute, so that a page that is drawn again asks the same. */
export function queryOf(filters: CallFilters, now: number): Record<string, string | undefined> {
  const span = filters.last === undefined ? undefined : spans[filters.last];
  const since = span === undefined ? moment(filters.since) : new Date(Math.floor((now - span) / 60_000) * 60_000).toISOString();
  const slower = slowness(filters.slower);
  return {
    since,
    until: moment(filters.until),
    status: statuses.find((status) => status === filters.status),
    api: filters.api,
    model: filters.model,
    provider: filters.provider,
    key_id: filters.key,
    project: filters.project,
    error_code: filters.error,
    min_duration_ms: slower === undefined ? undefined : String(slower),
    q: filters.find,
  };
}

/** Whether a call that just came belongs to the list. */
export function matches(call: Call, filters: CallFilters): boolean {
  const slower = slowness(filters.slower);
  return (
    moment(filters.until) === undefined &&
    (filters.status === undefined || call.status === filters.status) &&
    (filters.api === undefined || call.api === filters.api) &&
    (filters.model === undefined || call.model === filters.model) &&
    (filters.provider === undefined || call.provider === filters.provider) &&
    (filters.key === undefined || call.key_id === filters.key) &&
    (filters.project === undefined || call.project === filters.project) &&
    (filters.error === undefined || call.error?.code === filters.error) &&
    (slower === undefined || call.duration_ms >= slower) &&
    (filters.find === undefined || call.request_id.startsWith(filters.find) || (call.client_request_id?.startsWith(filters.find) ?? false))
  );
}
