/** Who may call what, until when? */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { TextField } from "@/components/field";
import { FilterChip } from "@/components/filter-chip";
import { Empty, Failed, Rows, Tag } from "@/components/panel";
import { ChangeKeyDialog } from "@/features/keys/change-key";
import { CreateKeyDialog } from "@/features/keys/create-key";
import { KeyDrawer } from "@/features/keys/key-drawer";
import { keyState } from "@/features/keys/key-state";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Key, KeyPage } from "@/lib/api/types";
import { projectsQuery, useMakesKeys } from "@/lib/catalog";
import { reportQuery } from "@/lib/periods";
import { useShortcuts } from "@/lib/shortcuts";

const PAGE = 100;
const states = ["active", "soon", "disabled", "expired", "revoked"] as const;

export function Keys() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { keyId } = useParams({ from: "/frame/keys/{-$keyId}" });
  const search = useSearch({ from: "/frame/keys/{-$keyId}" });
  const opener = useRef<HTMLElement | null>(null);
  const pages = useInfiniteQuery({
    queryKey: ["keys", "list", search.state ?? "", search.project ?? "", search.find ?? ""],
    queryFn: ({ pageParam, signal }) => request<KeyPage>("GET", "/api/keys", { query: { limit: PAGE, cursor: pageParam, state: search.state, project: search.project, q: search.find }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (held) => held,
  });
  const usage = useQuery(reportQuery("24h", "key"));
  const month = useQuery(reportQuery("30d", "key"));
  const keys = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.api_keys), [pages.data]);
  const now = new Date();
  const projects = useQuery(projectsQuery).data ?? [];
  const filtered = search.state !== undefined || search.project !== undefined || search.find !== undefined;
  const calls = useMemo(() => new Map((usage.data?.rows ?? []).map((row) => [row.key, row])), [usage.data]);
  const spent = useMemo(() => new Map((month.data?.rows ?? []).map((row) => [row.key, row])), [month.data]);
  const soon = keys.filter((key) => keyState(key, now) === "soon").length;

  const to = (part: Partial<typeof search>, replace = false) => void navigate({ to: "/keys/{-$keyId}", params: { keyId }, search: { ...search, ...part }, replace });
  const open = (id: string | undefined) => void navigate({ to: "/keys/{-$keyId}", params: { keyId: id }, search: { ...search, create: undefined, change: undefined } });
  const makes = useMakesKeys() !== false;
  const create = () => to({ create: "1" });
  const step = (by: number) => {
    const at = keys.findIndex((key) => key.id === keyId);
    const next = keys[Math.max(0, Math.min(keys.length - 1, at + by))];
    if (next !== undefined) open(next.id);
  };
  useShortcuts({ ...(makes ? { c: create } : {}), j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });

  const limits = (key: Key) =>
    [key.rpm === null ? null : t("keys.perMinute", { n: format.count(key.rpm) }), key.tpm === null ? null : t("keys.tokensPerMinute", { n: format.count(key.tpm) }), key.concurrency === null ? null : t("keys.atOnce", { n: format.count(key.concurrency) })]
      .filter(Boolean)
      .join(format.language === "ja" ? "、" : ", ") || t("keys.noLimits");

  const columns: Column<Key>[] = [
    { id: "name", head: t("keys.name"), cell: (key) => <b>{key.label}</b>, width: "minmax(120px,1.6fr)" },
    { id: "begins", head: t("keys.beginsWith"), cell: (key) => <code className="font-mono text-ink-2">sk-sek-{key.id.slice(0, 4)}…</code>, width: "128px", from: "md", hideWithDrawer: true },
    { id: "project", head: t("keys.project"), cell: (key) => key.project, width: "minmax(80px,1fr)", from: "lg", hideWithDrawer: true },
    { id: "models", head: t("keys.mayCall"), cell: (key) => (key.models === null ? t("keys.allModels") : key.models.join(", ")), width: "minmax(100px,1.3fr)", from: "md" },
    { id: "limits", head: t("keys.limits"), cell: limits, width: "minmax(120px,1.2fr)", from: "lg", hideWithDrawer: true },
    { id: "calls", head: t("keys.calls24"), right: true, cell: (key) => format.count(calls.get(key.id)?.calls ?? 0), width: "100px" },
    {
      id: "spent",
      head: t("keys.spent30"),
      right: true,
      cell: (key) => {
        const row = spent.get(key.id);
        return row === undefined ? format.money(0) : format.money(row.cost ?? 0, row.currency ?? "USD");
      },
      width: "110px",
      from: "md",
      hideWithDrawer: true,
    },
    { id: "used", head: t("keys.lastUsed"), cell: (key) => (key.last_used_at === null ? <span className="text-ink-3">–</span> : <span title={format.full(new Date(key.last_used_at))}>{format.relative(new Date(key.last_used_at))}</span>), width: "116px", from: "lg", hideWithDrawer: true },
    { id: "expires", head: t("keys.expires"), cell: (key) => <Expires keyTold={key} />, width: "120px" },
  ];

  return (
    <Screen
      id="keys"
      filled
      liveState={null}
      actions={
        makes ? (
          <Button kind="primary" icon="plus" onClick={create}>
            {t("keys.create")}
          </Button>
        ) : null
      }
    >
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          <div className="flex shrink-0 items-center gap-2 border-b border-line px-4 py-2.5 max-sm:overflow-x-auto sm:flex-wrap sm:px-6">
            <div className="w-[220px] max-sm:w-[168px] max-sm:shrink-0">
              <TextField hideLabel type="search" label={t("keys.find")} placeholder={t("keys.find")} value={search.find ?? ""} onChange={(event) => to({ find: event.target.value === "" ? undefined : event.target.value }, true)} />
            </div>
            <FilterChip name={t("keys.state")} value={search.state} options={states.map((value) => ({ value, label: t(`keys.states.${value}`) }))} onChange={(state) => to({ state })} />
            <FilterChip name={t("keys.project")} value={search.project} options={projects.map((each) => ({ value: each.name, label: each.name, hint: each.title === each.name ? undefined : each.title }))} onChange={(project) => to({ project })} />
            <span className="ml-auto shrink-0 text-cap whitespace-nowrap text-ink-3">
              {pages.data === undefined ? "" : t(pages.hasNextPage ? "keys.summaryMore" : "keys.summary", { count: keys.length, n: format.count(keys.length), soon: format.count(soon) })}
            </span>
          </div>
          {pages.isPending ? (
            <Rows />
          ) : pages.isError ? (
            <Failed error={pages.error} again={() => void pages.refetch()} />
          ) : keys.length === 0 ? (
            !filtered ? (
              <Empty
                text={t("keys.none")}
                act={
                  makes ? (
                    <Button kind="primary" onClick={create}>
                      {t("keys.create")}
                    </Button>
                  ) : undefined
                }
                command={makes ? "sekisho api-keys create --label web-chat" : undefined}
              />
            ) : (
              <Empty
                text={t("keys.noneMatch")}
                act={
                  <Link to="/keys/{-$keyId}" params={{ keyId }} search={{}}>
                    {t("common.dropFilters")}
                  </Link>
                }
              />
            )
          ) : (
            <DataTable
              label={t("nav.keys")}
              rows={keys}
              columns={columns}
              rowHeight={40}
              idOf={(key) => key.id}
              selected={keyId}
              drawerOpen={keyId !== undefined}
              onOpen={(key, element) => {
                opener.current = element;
                open(key.id);
              }}
              phone={(key) => (
                <>
                  <div className="flex items-baseline gap-2">
                    <b className="min-w-0 flex-1 truncate">{key.label}</b>
                    <Expires keyTold={key} />
                  </div>
                  <div className="flex gap-2 text-cap text-ink-3">
                    <span className="min-w-0 flex-1 truncate">{key.models === null ? t("keys.allModels") : key.models.join(", ")}</span>
                    <span>{t("overview.callsOf", { count: calls.get(key.id)?.calls ?? 0, n: format.count(calls.get(key.id)?.calls ?? 0) })}</span>
                  </div>
                </>
              )}
              onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
            />
          )}
        </div>
        {keyId === undefined ? null : (
          <KeyDrawer
            key={keyId}
            id={keyId}
            known={keys.find((key) => key.id === keyId)}
            usage={calls.get(keyId)}
            limits={limits}
            onChange={() => to({ change: "1" })}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
      {search.create === undefined || !makes ? null : <CreateKeyDialog onClose={() => to({ create: undefined })} />}
      {search.change === undefined || keyId === undefined ? null : <ChangeKeyDialog key={keyId} id={keyId} known={keys.find((key) => key.id === keyId)} onClose={() => to({ change: undefined })} />}
    </Screen>
  );
}

function Expires({ keyTold }: { keyTold: Key }) {
  const { t } = useTranslation();
  const format = useFormat();
  const state = keyState(keyTold, new Date());
  if (state === "revoked") return <Tag>{t("keys.states.revoked")}</Tag>;
  if (state === "expired") return <Tag>{t("keys.states.expired")}</Tag>;
  if (state === "disabled") return <Tag tone="slow">○ {t("keys.states.disabled")}</Tag>;
  if (keyTold.expires_at === null) return <span className="text-ink-3">{t("keys.never")}</span>;
  const text = <span title={format.full(new Date(keyTold.expires_at))}>{format.relative(new Date(keyTold.expires_at))}</span>;
  return state === "soon" ? <Tag tone="slow">◆ {text}</Tag> : text;
}
