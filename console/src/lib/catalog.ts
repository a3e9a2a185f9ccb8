/** Providers, models and keys as every screen asks for them. A list longer than the bound says so instead of being read whole. */
import { queryOptions } from "@tanstack/react-query";

import { request } from "@/lib/api/request";
import type { KeyPage, ModelPage, ProviderPage } from "@/lib/api/types";

/** The most that one answer holds. */
export const MOST = 1000;

export const providersQuery = queryOptions({ queryKey: ["providers"], queryFn: async () => (await request<ProviderPage>("GET", "/api/providers", { query: { limit: MOST } })).providers, staleTime: 10_000 });

export const modelsQuery = queryOptions({ queryKey: ["models"], queryFn: () => request<ModelPage>("GET", "/api/models", { query: { limit: MOST } }), staleTime: 10_000 });

/** The newest keys, for choosing one by name. */
export const keyNamesQuery = queryOptions({ queryKey: ["keys", "names"], queryFn: async () => (await request<KeyPage>("GET", "/api/keys", { query: { limit: 200 } })).api_keys, staleTime: 30_000 });
