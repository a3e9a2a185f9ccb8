/** How much an API is called, and when it was last: asked for by its own index, only for rows in sight. */
import { queryOptions } from "@tanstack/react-query";

import { request } from "@/lib/api/request";
import type { CallPage } from "@/lib/api/types";

const DAY = 86_400_000;

interface Counted {
  count: number;
  /** Whether there are no more than that. */
  exact: boolean;
}

/** Calls of the last 24 hours; of one outcome where one is named. */
export function countQuery(name: string, status?: "failed") {
  return queryOptions({
    queryKey: ["calls", "of-api", name, "count", status ?? "any"],
    queryFn: ({ client, queryKey, signal }) =>
      request<Counted>("GET", "/api/calls/count", { query: { api: name, status, since: new Date(Date.now() - DAY).toISOString() }, byItself: client.getQueryData(queryKey) !== undefined, signal }),
    staleTime: 10_000,
    refetchInterval: 15_000,
  });
}

/** The newest call that named it; null where none ever did. */
export function lastQuery(name: string) {
  return queryOptions({
    queryKey: ["calls", "of-api", name, "last"],
    queryFn: async ({ client, queryKey, signal }) => (await request<CallPage>("GET", "/api/calls", { query: { api: name, limit: 1 }, byItself: client.getQueryData(queryKey) !== undefined, signal })).calls[0] ?? null,
    staleTime: 10_000,
    refetchInterval: 15_000,
  });
}
