/** Who changed what? And does the chain of rows still hold? */
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { type Column, DataTable } from "@/components/data-table";
import { TextField } from "@/components/field";
import { FilterChip } from "@/components/filter-chip";
import { StateMark } from "@/components/icon";
import { Menu } from "@/components/menu";
import { Empty, Failed, Rows, Verdict } from "@/components/panel";
import { AuditDrawer } from "@/features/audit/audit-drawer";
import { useFormat } from "@/i18n";
import { address, request } from "@/lib/api/request";
import type { AuditChecked, AuditPage, AuditRow } from "@/lib/api/types";
import { useShortcuts } from "@/lib/shortcuts";

const PAGE = 100;
const kinds = ["key", "provider", "model", "user", "session", "login", "project", "member", "invitation", "token", "backup"] as const;
const spans = { "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000, "90d": 90 * 86_400_000 } as const;
type Span = keyof typeof spans;

/** The filters as the API takes them; the beginning is rounded to the minute, so that a page that is drawn again asks the same. */
export function auditQuery(search: { last?: string; about?: string; actor?: string; object?: string; project?: string }, now: number): Record<string, string | undefined> {
  const span = spans[search.last as Span] as number | undefined;
  return { since: span === undefined ? undefined : new Date(Math.floor((now - span) / 60_000) * 60_000).toISOString(), action: search.about, actor: search.actor, object_id: search.object, project: search.project };
}

export function Audit() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { row: opened } = useParams({ from: "/frame/audit/{-$row}" });
  const search = useSearch({ from: "/frame/audit/{-$row}" });
  const opener = useRef<HTMLElement | null>(null);
  const query = auditQuery(search, Date.now());
  const pages = useInfiniteQuery({
    queryKey: ["audit", query],
    queryFn: ({ pageParam }) => request<AuditPage>("GET", "/api/audit", { query: { ...query, limit: PAGE, cursor: pageParam } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (held) => held,
  });
  const checking = useMutation({ mutationFn: () => request<AuditChecked>("GET", "/api/audit/check") });
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.rows), [pages.data]);
  const open = (row: string | undefined) => void navigate({ to: "/audit/{-$row}", params: { row }, search });
  const filter = (part: Partial<typeof search>) => void navigate({ to: "/audit/{-$row}", params: { row: opened }, search: { ...search, ...part }, replace: true });
  const step = (by: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.findIndex((row) => String(row.seq) === opened) + by))];
    if (next !== undefined) open(String(next.seq));
  };
  useShortcuts({ j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });
  const file = (kind: "csv" | "jsonl") => {
    const link = document.createElement("a");
    link.href = address("/api/audit/export", { ...query, format: kind });
    link.download = `sekisho-audit.${kind}`;
    link.click();
  };
  const columns: Column<AuditRow>[] = [
    { id: "time", head: t("audit.time"), cell: (row) => <span className="font-mono">{format.listTime(new Date(row.at))}</span>, width: "150px" },
    { id: "who", head: t("audit.who"), cell: (row) => row.actor, width: "minmax(110px,1.1fr)" },
    { id: "act", head: t("audit.act"), cell: (row) => <b>{row.action}</b>, width: "minmax(120px,1fr)" },
    { id: "object", head: t("audit.object"), cell: (row) => objectOf(row), width: "minmax(120px,1.3fr)", from: "md", hideWithDrawer: true },
    { id: "project", head: t("audit.project"), cell: (row) => row.project ?? "", width: "110px", from: "lg", hideWithDrawer: true },
    { id: "from", head: t("audit.from"), cell: (row) => <code className="font-mono text-cap text-ink-2">{row.address ?? ""}</code>, width: "130px", from: "lg", hideWithDrawer: true },
    { id: "seq", head: t("audit.row"), right: true, cell: (row) => format.exact(row.seq), width: "84px", from: "md", hideWithDrawer: true },
  ];
  const found = checking.data;
  return (
    <Screen
      id="audit"
      filled
      liveState={null}
      actions={
        <>
          <Button busy={checking.isPending ? t("audit.verifying") : false} onClick={() => checking.mutate()}>
            {t("audit.verify")}
          </Button>
          <Menu
            align="end"
            label={t("audit.export")}
            trigger={
              <Button kind="primary" icon="export">
                {t("audit.export")}
              </Button>
            }
            entries={[
              { label: t("audit.exportCsv"), act: () => file("csv") },
              { label: t("audit.exportJsonl"), act: () => file("jsonl") },
            ]}
          />
        </>
      }
    >
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          <div className="shrink-0 border-b border-line px-4 py-2.5 sm:px-6">
            <div role="status" className="mb-2.5">
              {checking.isError ? <Failed error={checking.error} again={() => checking.mutate()} /> : null}
              {found === undefined ? (
                <p className="text-body text-ink-2">{t("audit.unverified")}</p>
              ) : (
                <>
                  <Verdict evidence={found.ok ? t("audit.intactRows", { count: found.rows, n: format.count(found.rows), time: format.clock(new Date()) }) : found.fault?.reason}>
                    <span className="inline-flex items-center gap-2">
                      <StateMark state={found.ok ? "serving" : "failed"} />
                      {found.ok ? t("audit.intact") : t("audit.broken", { row: format.exact(found.fault?.seq ?? 0) })}
                    </span>
                  </Verdict>
                  <p className="flex flex-wrap items-center gap-x-1 text-cap text-ink-3">
                    <span className="max-sm:basis-full">{t("audit.anchor")}</span>
                    <code className="min-w-0 max-w-[220px] truncate font-mono">{found.anchor}</code>
                    <CopyButton text={found.anchor} />
                  </p>
                </>
              )}
            </div>
            <div className="flex items-center gap-2 max-sm:overflow-x-auto sm:flex-wrap">
              <FilterChip name={t("calls.last")} none={t("calls.allTime")} value={search.last} options={(Object.keys(spans) as Span[]).map((value) => ({ value, label: t(`calls.spans.${value}`) }))} onChange={(last) => filter({ last })} />
              <FilterChip name={t("audit.about")} value={search.about} options={kinds.map((value) => ({ value, label: t(`audit.kinds.${value}`) }))} onChange={(about) => filter({ about })} />
              <div className="w-[200px] max-sm:w-[160px] max-sm:shrink-0">
                <TextField hideLabel type="search" label={t("audit.actor")} placeholder={`${t("audit.actor")}: ${t("audit.anyone")}`} value={search.actor ?? ""} onChange={(event) => filter({ actor: event.target.value === "" ? undefined : event.target.value })} />
              </div>
              {search.object === undefined ? null : <FilterChip name={t("audit.object")} value={search.object} options={[]} onChange={() => filter({ object: undefined })} />}
              <span className="ml-auto shrink-0 text-cap whitespace-nowrap text-ink-3">{pages.data === undefined ? "" : t(pages.hasNextPage ? "audit.shownMore" : "audit.shown", { count: rows.length, n: format.count(rows.length) })}</span>
            </div>
          </div>
          {pages.isPending ? (
            <Rows />
          ) : pages.isError ? (
            <Failed error={pages.error} again={() => void pages.refetch()} />
          ) : rows.length === 0 ? (
            <Empty
              text={Object.keys(search).length === 0 ? t("audit.noneYet") : t("audit.none")}
              act={Object.keys(search).length === 0 ? undefined : <Button onClick={() => void navigate({ to: "/audit/{-$row}", params: { row: opened }, search: {} })}>{t("common.dropFilters")}</Button>}
            />
          ) : (
            <DataTable
              label={t("nav.audit")}
              rows={rows}
              columns={columns}
              idOf={(row) => String(row.seq)}
              selected={opened}
              drawerOpen={opened !== undefined}
              onOpen={(row, element) => {
                opener.current = element;
                open(String(row.seq));
              }}
              phone={(row) => (
                <>
                  <div className="flex items-baseline gap-2">
                    <b className="min-w-0 flex-1 truncate">{row.action}</b>
                    <span className="font-mono text-cap text-ink-3">{format.listTime(new Date(row.at))}</span>
                  </div>
                  <div className="flex gap-2 text-cap text-ink-3">
                    <span className="min-w-0 flex-1 truncate">{row.actor}</span>
                    <span className="min-w-0 truncate">{objectOf(row)}</span>
                  </div>
                </>
              )}
              onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
            />
          )}
        </div>
        {opened === undefined ? null : (
          <AuditDrawer
            key={opened}
            row={rows.find((row) => String(row.seq) === opened)}
            seq={opened}
            waiting={pages.isPending}
            onObject={(object) => filter({ object })}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
    </Screen>
  );
}

/** What the row is about, by the name that people gave it where it has one. */
export function objectOf(row: AuditRow): string {
  for (const part of [row.after, row.before])
    for (const name of ["label", "name", "email", "title"]) {
      const value = part?.[name];
      if (typeof value === "string" && value !== "") return value;
    }
  return row.object_id;
}
