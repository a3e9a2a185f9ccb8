/** The record of a call that was just made: it passes by in the live feed a moment after the answer, and is asked for only where it does not. */
import { useQuery } from "@tanstack/react-query";

import { request } from "@/lib/api/request";
import type { Call } from "@/lib/api/types";
import { live } from "@/lib/live";

/** Milliseconds. Records are written twice a second. */
const PATIENCE = 3000;

function passingBy(requestId: string): Promise<Call> {
  const known = live.recent(requestId);
  if (known !== undefined) return Promise.resolve(known);
  return new Promise((resolve, reject) => {
    const leave = live.subscribe((calls) => {
      const found = calls.find((call) => call.request_id === requestId);
      if (found === undefined) return;
      window.clearTimeout(timer);
      leave();
      resolve(found);
    });
    const timer = window.setTimeout(() => {
      leave();
      request<Call>("GET", `/api/calls/${requestId}`).then(resolve, reject);
    }, PATIENCE);
  });
}

export function useRecord(requestId: string) {
  return useQuery({ queryKey: ["calls", "record", requestId], queryFn: () => passingBy(requestId), enabled: requestId !== "", retry: 2, retryDelay: 1000, staleTime: Number.POSITIVE_INFINITY });
}
