/** Published APIs as every screen asks for them, and the switch that starts and stops one: shown at once, taken back where the server refuses. */
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { toast } from "@/components/toast";
import { ApiError, request } from "@/lib/api/request";
import type { Api, ApiPage, ApiWritten } from "@/lib/api/types";
import { MOST } from "@/lib/catalog";

export const apisQuery = queryOptions({ queryKey: ["apis"], queryFn: async () => (await request<ApiPage>("GET", "/api/apis", { query: { limit: MOST } })).apis, staleTime: 10_000 });

/** Those that a call can name now. */
export function callable(apis: readonly Api[] | undefined): string[] {
  return (apis ?? []).filter((api) => api.state === "ready").map((api) => api.name);
}

/** What the server will say of an API once it is switched, as far as one can know. */
function switched(api: Api, enabled: boolean): Api {
  return { ...api, enabled, state: enabled ? (api.state === "disabled" ? "ready" : api.state) : "disabled", reason: null };
}

/** While one of these runs, what was told of an API before is about to be old. */
export const switchKey = ["apis", "switch"] as const;

export function useSwitchApi() {
  const client = useQueryClient();
  const { t } = useTranslation();
  const switching = useMutation({
    mutationKey: switchKey,
    mutationFn: ({ name, enabled }: { name: string; enabled: boolean; again?: boolean }) => request<ApiWritten>("PATCH", `/api/apis/${name}`, { body: { enabled } }),
    onMutate: async ({ name, enabled }) => {
      await client.cancelQueries({ queryKey: apisQuery.queryKey });
      const before = client.getQueryData(apisQuery.queryKey);
      client.setQueryData(apisQuery.queryKey, (held) => held?.map((each) => (each.name === name ? switched(each, enabled) : each)));
      return { before };
    },
    onError: (error, _, held) => {
      client.setQueryData(apisQuery.queryKey, held?.before);
      toast(error instanceof ApiError && error.fault.message !== "" ? error.fault.message : t("error.unreachable"), { failed: true });
    },
    onSuccess: (answer, { name, enabled, again }) => {
      const warnings = answer.warnings ?? [];
      if (warnings.length > 0) return toast(warnings.join(" "), { failed: true });
      toast(t(enabled ? "apis.started" : "apis.stopped", { name }), again === true ? {} : { undo: () => switching.mutate({ name, enabled: !enabled, again: true }) });
    },
    onSettled: () => void client.invalidateQueries({ queryKey: apisQuery.queryKey }),
  });
  return switching;
}
