/** What runs, asked for every five seconds. */
import { queryOptions } from "@tanstack/react-query";

import type { Status } from "@/lib/api/contract";
import { request } from "@/lib/api/request";

export const statusQuery = queryOptions({ queryKey: ["status"], queryFn: () => request<Status>("GET", "/api/status"), refetchInterval: 5000 });
