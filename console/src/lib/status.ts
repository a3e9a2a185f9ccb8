/** What runs, asked for every five seconds by who may know it. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import type { Status } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import { useMay } from "@/lib/rights";

const statusQuery = queryOptions({ queryKey: ["status"], queryFn: () => request<Status>("GET", "/api/status", { byItself: true }), refetchInterval: 5000 });

export function useStatus() {
  const may = useMay();
  return useQuery({ ...statusQuery, enabled: may("system") });
}
