/** How many calls match, as the API counts them; and the pages behind one that brought little, since filters that no index knows look through a part at a time. */
import { type UseInfiniteQueryResult, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { request } from "@/lib/api/request";

export interface Counted {
  count: number;
  /** There may be more. */
  exact: boolean;
}

const AGAIN_MS = 15_000;

export function useCount(query: Record<string, string | undefined>, asked: number): Counted | undefined {
  return useQuery({
    queryKey: ["calls", "count", query, asked],
    queryFn: ({ client, queryKey, signal }) => request<Counted>("GET", "/api/calls/count", { query, byItself: client.getQueryData(queryKey) !== undefined, signal }),
    refetchInterval: AGAIN_MS,
    placeholderData: (held) => held,
  }).data;
}

/** Rows that fill a tall window. */
const FILLED = 60;
/** Pages that are asked for without anybody's asking, since the last time that somebody did. */
const PATIENCE = 8;

/** Goes on behind short pages, for a while; then waits to be told. */
export function useMore(rows: number, pages: Pick<UseInfiniteQueryResult<{ pages: unknown[] }>, "data" | "hasNextPage" | "isFetchingNextPage" | "isError" | "fetchNextPage">) {
  const fetched = pages.data?.pages.length ?? 0;
  const [from, setFrom] = useState(0);
  const short = pages.hasNextPage && rows < FILLED;
  const tired = fetched - from >= PATIENCE;
  const { fetchNextPage, isFetchingNextPage, isError } = pages;
  useEffect(() => {
    if (fetched < from) setFrom(0);
    else if (short && !tired && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [short, tired, fetched, from, isFetchingNextPage, isError, fetchNextPage]);
  return { looking: short && !tired, waits: short && tired, goOn: () => setFrom(fetched) };
}
