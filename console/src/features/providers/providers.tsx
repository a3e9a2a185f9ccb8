/** Who serves, and do our credentials hold? */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { Switch } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Empty, Failed, Rows, Verdict } from "@/components/panel";
import { toast } from "@/components/toast";
import { AddProviderDialog } from "@/features/providers/add-provider";
import { ProviderDrawer } from "@/features/providers/provider-drawer";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { Provider, ProviderWritten, Row } from "@/lib/api/types";
import { providersQuery } from "@/lib/catalog";
import { reportQuery } from "@/lib/periods";
import { providerState } from "@/lib/provider-state";
import { useShortcuts } from "@/lib/shortcuts";

/** Switching a provider is shown at once and taken back where the server refuses. */
export function useSwitchProvider() {
  const client = useQueryClient();
  const { t } = useTranslation();
  return useMutation({
    mutationFn: ({ name, enabled }: { name: string; enabled: boolean }) => request<ProviderWritten>("PATCH", `/api/providers/${name}`, { body: { enabled } }),
    onMutate: async ({ name, enabled }) => {
      await client.cancelQueries({ queryKey: ["providers"] });
      const before = client.getQueryData<Provider[]>(providersQuery.queryKey);
      client.setQueryData<Provider[]>(providersQuery.queryKey, (held) => held?.map((each) => (each.name === name ? { ...each, enabled } : each)));
      return { before };
    },
    onError: (error, _, held) => {
      client.setQueryData(providersQuery.queryKey, held?.before);
      toast(error instanceof ApiError ? error.fault.message : String(error), { failed: true });
    },
    onSuccess: (answer, { name, enabled }) => toast((answer.warnings ?? []).length > 0 ? (answer.warnings ?? []).join(" ") : t(enabled ? "providers.switchedOn" : "providers.switchedOff", { name }), { failed: (answer.warnings ?? []).length > 0 }),
    onSettled: () => void client.invalidateQueries({ queryKey: ["providers"] }),
  });
}

export function Providers() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { name } = useParams({ from: "/frame/providers/{-$name}" });
  const { add } = useSearch({ from: "/frame/providers/{-$name}" });
  const opener = useRef<HTMLElement | null>(null);
  const providers = useQuery(providersQuery);
  const report = useQuery(reportQuery("24h", "provider"));
  const switching = useSwitchProvider();
  const rows = new Map<string, Row>((report.data?.rows ?? []).map((row) => [row.key, row]));
  const listed = providers.data ?? [];
  const stateOf = (provider: Provider) => providerState(provider, rows.get(provider.name));

  const open = (next: string | undefined) => void navigate({ to: "/providers/{-$name}", params: { name: next } });
  const begin = () => void navigate({ to: "/providers/{-$name}", params: { name }, search: { add: "1" } });
  const step = (by: number) => {
    const at = listed.findIndex((each) => each.name === name);
    const next = listed[Math.max(0, Math.min(listed.length - 1, at + by))];
    if (next !== undefined) open(next.name);
  };
  useShortcuts({ c: begin, j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });

  const serving = listed.filter((each) => stateOf(each) === "serving").length;
  const failing = listed.filter((each) => stateOf(each) === "failed");
  const columns: Column<Provider>[] = [
    {
      id: "name",
      head: t("providers.name"),
      width: "minmax(140px,1.2fr)",
      cell: (each) => (
        <span className="inline-flex items-center gap-2.5">
          <StateMark state={stateOf(each)} label={t(`state.${stateOf(each)}`)} />
          <b className="truncate">{each.name}</b>
        </span>
      ),
    },
    { id: "state", head: t("calls.status"), width: "minmax(120px,1.2fr)", cell: (each) => <span className="text-ink-2">{t(`providers.state.${each.enabled ? (each.state as "ready") : "off"}`)}</span> },
    { id: "models", head: t("nav.models"), right: true, width: "90px", from: "md", cell: (each) => format.count(each.models.length) },
    { id: "credentials", head: t("providers.credentials"), width: "minmax(120px,1fr)", from: "md", hideWithDrawer: true, cell: (each) => (each.credentials.length === 0 ? <span className="text-ink-3">{t("providers.noCredential")}</span> : each.credentials.map((one) => `••••${one.last4}`).join(" ")) },
    { id: "address", head: t("providers.address"), width: "minmax(160px,2fr)", from: "lg", hideWithDrawer: true, cell: (each) => <code className="font-mono text-ink-2" title={each.base_url}>{each.base_url}</code> },
    { id: "calls", head: t("keys.calls24"), right: true, width: "110px", cell: (each) => format.count(rows.get(each.name)?.calls ?? 0) },
    { id: "failed", head: t("metric.failed"), right: true, width: "84px", from: "md", cell: (each) => (rows.get(each.name) === undefined ? "–" : format.percent((rows.get(each.name)?.failed ?? 0) / Math.max(1, rows.get(each.name)?.calls ?? 1))) },
    { id: "first", head: t("metric.firstByte"), right: true, width: "120px", from: "lg", hideWithDrawer: true, cell: (each) => (rows.get(each.name)?.ttfb_ms == null ? "–" : format.duration(rows.get(each.name)?.ttfb_ms ?? 0)) },
    {
      id: "on",
      head: t("providers.on"),
      width: "84px",
      cell: (each) => (
        <span onClick={(event) => event.stopPropagation()}>
          <Switch label={t("providers.switch", { name: each.name })} checked={each.enabled} onChange={(enabled) => switching.mutate({ name: each.name, enabled })} />
        </span>
      ),
    },
  ];
  return (
    <Screen
      id="providers"
      filled
      liveState={null}
      actions={
        <Button kind="primary" icon="plus" onClick={begin}>
          {t("providers.add")}
        </Button>
      }
    >
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          {listed.length === 0 ? null : (
            <div className="shrink-0 border-b border-line px-4 py-3 sm:px-6">
              <Verdict>
                {failing.length === 0 ? t("providers.allServe", { count: serving, n: serving }) : t("providers.someFail", { count: failing.length, names: failing.map((each) => each.name).join(format.language === "ja" ? "、" : ", ") })}
              </Verdict>
            </div>
          )}
          {providers.isPending ? (
            <Rows />
          ) : providers.isError ? (
            <Failed error={providers.error} again={() => void providers.refetch()} />
          ) : listed.length === 0 ? (
            <Empty
              text={t("providers.none")}
              act={
                <Button kind="primary" onClick={begin}>
                  {t("providers.add")}
                </Button>
              }
              command="sekisho providers add --name openai --kind openai --api-key-stdin"
            />
          ) : (
            <DataTable
              label={t("nav.providers")}
              rows={listed}
              columns={columns}
              rowHeight={40}
              idOf={(each) => each.name}
              selected={name}
              drawerOpen={name !== undefined}
              onOpen={(each, element) => {
                opener.current = element;
                open(each.name);
              }}
              phone={(each) => (
                <>
                  <div className="flex items-center gap-2">
                    <StateMark state={stateOf(each)} />
                    <b className="min-w-0 flex-1 truncate">{each.name}</b>
                    <span>{t("overview.callsOf", { count: rows.get(each.name)?.calls ?? 0, n: format.count(rows.get(each.name)?.calls ?? 0) })}</span>
                  </div>
                  <div className="text-cap text-ink-3">{t(`providers.state.${each.enabled ? (each.state as "ready") : "off"}`)}</div>
                </>
              )}
            />
          )}
        </div>
        {name === undefined ? null : (
          <ProviderDrawer
            key={name}
            name={name}
            row={rows.get(name)}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
      {add === undefined ? null : <AddProviderDialog onClose={(made) => void navigate({ to: "/providers/{-$name}", params: { name: made ?? name } })} />}
    </Screen>
  );
}
