/** What do we publish, and is it up? */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { type Column, DataTable } from "@/components/data-table";
import { Switch } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Empty, Failed, Rows, Verdict } from "@/components/panel";
import { ApiDrawer } from "@/features/apis/api-drawer";
import { apiMark, callersOf } from "@/features/apis/api-state";
import { CreateApi } from "@/features/apis/create-api";
import { countQuery, lastQuery } from "@/features/apis/use";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Api, KeyPage } from "@/lib/api/types";
import { apisQuery, useSwitchApi } from "@/lib/apis";
import { MOST } from "@/lib/catalog";
import { gatewayBase } from "@/lib/gateway";
import { useMay } from "@/lib/rights";
import { useShortcuts } from "@/lib/shortcuts";
import { useStatus } from "@/lib/status";

/** The living keys, to tell who may call what. */
const livingKeys = { queryKey: ["keys", "living"], queryFn: async () => (await request<KeyPage>("GET", "/api/keys", { query: { limit: MOST, state: "active" } })).api_keys, staleTime: 10_000 };

export function Apis() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { name } = useParams({ from: "/frame/apis/{-$name}" });
  const { create } = useSearch({ from: "/frame/apis/{-$name}" });
  const opener = useRef<HTMLElement | null>(null);
  const apis = useQuery(apisQuery);
  const may = useMay();
  const writes = may("catalog.write");
  const keys = useQuery({ ...livingKeys, enabled: may("keys.read") }).data;
  const switching = useSwitchApi();
  const base = `${gatewayBase(useStatus().data?.ports.gateway)}/v1`;
  const listed = apis.data ?? [];
  const broken = listed.filter((each) => each.state === "broken");
  const up = listed.filter((each) => each.state === "ready").length;
  const off = listed.filter((each) => each.state === "disabled").length;

  const open = (next: string | undefined) => void navigate({ to: "/apis/{-$name}", params: { name: next } });
  const begin = () => (writes ? void navigate({ to: "/apis/{-$name}", params: { name }, search: { create: "1" } }) : undefined);
  const step = (by: number) => {
    const at = listed.findIndex((each) => each.name === name);
    const next = listed[Math.max(0, Math.min(listed.length - 1, at + by))];
    if (next !== undefined) open(next.name);
  };
  useShortcuts({ c: begin, j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });

  const title = (api: Api) => (api.title === "" ? null : <span className="ml-2 text-ink-3">{api.title}</span>);
  const callers = (api: Api) => {
    const { named, unbounded } = callersOf(api.name, keys ?? []);
    return named.length + unbounded.length;
  };
  const state = (api: Api) => <span className={api.state === "broken" ? "text-shu" : "text-ink-2"}>{t(`apis.state.${api.state}`)}</span>;
  const columns: Column<Api>[] = [
    {
      id: "on",
      head: t("providers.on"),
      width: "84px",
      cell: (api) =>
        writes ? (
          <span onClick={(event) => event.stopPropagation()}>
            <Switch label={t("apis.switch", { name: api.name })} checked={api.enabled} onChange={(enabled) => switching.mutate({ name: api.name, enabled })} />
          </span>
        ) : (
          <StateMark state={apiMark(api)} label={t(`apis.state.${api.state}`)} />
        ),
    },
    {
      id: "name",
      head: t("apis.name"),
      width: "minmax(180px,1.5fr)",
      cell: (api) => (
        <span className="inline-flex max-w-full items-center gap-1" onClick={(event) => (event.target instanceof Element && event.target.closest("button") !== null ? event.stopPropagation() : undefined)}>
          <span className="min-w-0 truncate">
            <b>{api.name}</b>
            {title(api)}
          </span>
          <CopyButton text={api.name} label={t("apis.copyNameOf", { name: api.name })} />
        </span>
      ),
    },
    { id: "state", head: t("calls.status"), width: "minmax(148px,0.7fr)", cell: (api) => <span className="inline-flex items-center gap-2"><StateMark state={apiMark(api)} /> {state(api)}</span> },
    { id: "target", head: t("apis.target"), width: "minmax(140px,1.3fr)", from: "md", hideWithDrawer: true, cell: (api) => <span title={api.target}>{api.target}</span> },
    { id: "defaults", head: t("apis.defaults"), width: "110px", right: true, from: "lg", hideWithDrawer: true, cell: (api) => (Object.keys(api.defaults).length === 0 ? <span className="text-ink-3">{t("apis.none")}</span> : format.count(Object.keys(api.defaults).length)) },
    ...(may("keys.read") ? [{ id: "keys", head: t("apis.mayBeCalledBy"), right: true, width: "84px", from: "md" as const, hideWithDrawer: true, cell: (api: Api) => (keys === undefined ? "…" : format.count(callers(api))) }] : []),
    { id: "calls", head: t("keys.calls24"), right: true, width: "110px", from: "md", hideWithDrawer: true, cell: (api) => <Calls name={api.name} /> },
    { id: "last", head: t("keys.lastUsed"), right: true, width: "120px", from: "lg", hideWithDrawer: true, cell: (api) => <LastUsed name={api.name} /> },
  ];
  return (
    <Screen
      id="apis"
      filled
      liveState={null}
      actions={
        writes ? (
          <Button kind="primary" icon="plus" onClick={begin}>
            {t("apis.create")}
          </Button>
        ) : undefined
      }
    >
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          {listed.length === 0 ? null : (
            <div className="flex shrink-0 flex-wrap items-center gap-x-6 gap-y-1 border-b border-line px-4 py-3 sm:px-6">
              <div className="min-w-0 flex-1 basis-80">
                <Verdict evidence={off === 0 ? undefined : t("apis.areOff", { count: off, n: off })}>
                  {broken.length > 0 ? t("apis.someBroken", { count: broken.length, names: broken.map((each) => each.name).join(format.language === "ja" ? "、" : ", ") }) : up === 0 ? t("apis.noneUp") : t(off === 0 ? "apis.allUp" : "apis.someUp", { count: up, n: up })}
                </Verdict>
              </div>
              <p className="inline-flex max-w-full items-center gap-1.5 text-cap text-ink-3">
                {t("apis.baseUrl")}
                <code className="min-w-0 truncate font-mono text-ink-2">{base}</code>
                <CopyButton text={base} label={t("apis.copyBase")} />
              </p>
            </div>
          )}
          {apis.isPending ? (
            <Rows />
          ) : apis.isError ? (
            <Failed error={apis.error} again={() => void apis.refetch()} />
          ) : listed.length === 0 ? (
            <Empty
              text={t(writes ? "apis.empty" : "apis.emptyToRead")}
              act={
                writes ? (
                  <Button kind="primary" onClick={begin}>
                    {t("apis.create")}
                  </Button>
                ) : (
                  <Link to="/models">{t("nav.models")}</Link>
                )
              }
              command={writes ? "sekisho apis create assistant --model sandbox/lorem" : undefined}
            />
          ) : (
            <DataTable
              label={t("nav.apis")}
              rows={listed}
              columns={columns}
              rowHeight={40}
              idOf={(api) => api.name}
              selected={name}
              drawerOpen={name !== undefined}
              onOpen={(api, element) => {
                opener.current = element;
                open(api.name);
              }}
              phone={(api) => (
                <>
                  <div className="flex items-center gap-2">
                    <StateMark state={apiMark(api)} label={t(`apis.state.${api.state}`)} />
                    <span className="min-w-0 flex-1 truncate">
                      <b>{api.name}</b>
                      {title(api)}
                    </span>
                    {state(api)}
                  </div>
                  <div className="truncate text-cap text-ink-3">{api.target}</div>
                </>
              )}
            />
          )}
        </div>
        {name === undefined ? null : (
          <ApiDrawer
            key={name}
            name={name}
            apis={apis.data}
            failed={apis.isError ? apis.error : null}
            keys={keys}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
      {create === undefined || !writes ? null : <CreateApi apis={listed} keys={keys} onClose={(made) => void navigate({ to: "/apis/{-$name}", params: { name: made ?? name } })} />}
    </Screen>
  );
}

function Calls({ name }: { name: string }) {
  const format = useFormat();
  const { data } = useQuery(countQuery(name));
  return data === undefined ? "…" : `${format.count(data.count)}${data.exact ? "" : "+"}`;
}

function LastUsed({ name }: { name: string }) {
  const format = useFormat();
  const { data } = useQuery(lastQuery(name));
  if (data === undefined) return "…";
  return data === null ? <span className="text-ink-3">–</span> : <span title={format.full(new Date(data.started_at))}>{format.relative(new Date(data.started_at))}</span>;
}
