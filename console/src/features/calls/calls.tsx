/** What happened, and why? */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { LiveState, Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { copyText } from "@/components/copy";
import { type Column, DataTable } from "@/components/data-table";
import { FilterChip } from "@/components/filter-chip";
import { type State, StateMark } from "@/components/icon";
import { Empty, Failed, Rows } from "@/components/panel";
import { toast } from "@/components/toast";
import { CallDrawer } from "@/features/calls/call-drawer";
import { ExportDialog } from "@/features/calls/export";
import { type CallFilters, matches, queryOf, spans, statuses } from "@/features/calls/filters";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Call, CallPage } from "@/lib/api/types";
import { modelsQuery, providersQuery, useKeyNames } from "@/lib/catalog";
import { live } from "@/lib/live";
import { useShortcuts } from "@/lib/shortcuts";

const PAGE = 100;
/** More than this many a second would only flicker: then a sample is shown, and said. */
const MOST_PER_SECOND = 20;

export function stateOf(call: Call): State {
  return call.status === "completed" ? "serving" : call.status === "cancelled" ? "off" : "failed";
}

export function Calls() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { callId } = useParams({ from: "/frame/calls/{-$callId}" });
  const filters: CallFilters = useSearch({ from: "/frame/calls/{-$callId}" });
  const [asked, setAsked] = useState(() => Date.now());
  const [exporting, setExporting] = useState(false);
  const opener = useRef<HTMLElement | null>(null);

  const query = useMemo(() => queryOf(filters, asked), [filters, asked]);
  const pages = useInfiniteQuery({
    queryKey: ["calls", "list", query],
    queryFn: ({ pageParam }) => request<CallPage>("GET", "/api/calls", { query: { ...query, limit: PAGE, cursor: pageParam } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { fresh, waiting, sampled, show, setTop, setHover } = useFresh(filters, callId !== undefined, query);
  const calls = useMemo(() => {
    const listed = (pages.data?.pages ?? []).flatMap((page) => page.calls);
    const known = new Set(fresh.map((call) => call.id));
    return [...fresh, ...listed.filter((call) => !known.has(call.id))];
  }, [pages.data, fresh]);

  const keys = useKeyNames().data ?? [];
  const models = useQuery(modelsQuery).data?.models ?? [];
  const providers = useQuery(providersQuery).data ?? [];

  const filter = (part: CallFilters) => {
    setAsked(Date.now());
    void navigate({ to: "/calls/{-$callId}", params: { callId }, search: { ...filters, ...part } });
  };
  const open = (id: string | undefined) => void navigate({ to: "/calls/{-$callId}", params: { callId: id }, search: filters });
  const step = (by: number) => {
    const at = calls.findIndex((call) => call.id === callId || call.request_id === callId);
    const next = calls[Math.max(0, Math.min(calls.length - 1, at + by))];
    if (next !== undefined) open(next.id);
  };
  useShortcuts({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ".": show,
    f: () => document.querySelector<HTMLElement>("[data-filter]")?.focus(),
    y: () => (callId === undefined ? undefined : void copyText(callId).then(() => toast(t("common.copied")))),
  });

  const longest = Math.max(1, ...calls.slice(0, 200).map((call) => call.duration_ms));
  const columns: Column<Call>[] = [
    { id: "time", head: t("calls.time"), cell: (call) => <span className="font-mono" title={format.full(new Date(call.started_at))}>{format.listTime(new Date(call.started_at))}</span>, width: "124px" },
    {
      id: "status",
      head: t("calls.status"),
      cell: (call) => (
        <span className="inline-flex items-center gap-1.5">
          <StateMark state={stateOf(call)} label={t(`calls.statuses.${call.status as "failed"}`)} />
          <span className={call.status === "failed" ? "text-shu" : ""}>{call.http_status}</span>
          {call.attempts > 1 ? <span className="text-cap text-ink-3">×{call.attempts}</span> : null}
        </span>
      ),
      width: "96px",
    },
    { id: "model", head: t("word.model"), cell: (call) => <span title={call.model}>{call.model}</span>, width: "minmax(140px,2fr)" },
    { id: "key", head: t("word.key"), cell: (call) => call.key_label, width: "minmax(100px,1.2fr)", from: "md", hideWithDrawer: true },
    { id: "tokens", head: t("calls.tokens"), right: true, cell: (call) => `${call.usage_source === "estimated" ? "≈ " : ""}${format.count(call.input_tokens)} → ${format.count(call.output_tokens)}`, width: "130px", from: "md", hideWithDrawer: true },
    { id: "cost", head: t("metric.cost"), right: true, cell: (call) => (call.cost === null ? <span className="text-ink-3">{t("calls.unpriced")}</span> : format.money(call.cost, call.currency ?? "USD")), width: "96px", from: "md", hideWithDrawer: true },
    { id: "bar", head: t("calls.firstToken"), cell: (call) => <TimeBar call={call} longest={longest} />, width: "150px", from: "md", hideWithDrawer: true },
    { id: "duration", head: t("calls.duration"), right: true, cell: (call) => format.duration(call.duration_ms), width: "92px" },
  ];

  const filtered = Object.keys(filters).length > 0;
  return (
    <Screen
      id="calls"
      filled
      liveState={
        waiting === 0 ? (
          <LiveState />
        ) : (
          <span className="inline-flex items-center gap-2">
            <span className="text-cap text-ink-2 max-md:hidden">{t("calls.paused")}</span>
            <Button kind="primary" icon="up" onClick={show}>
              {t("calls.newCalls", { count: waiting, n: format.count(waiting) })}
            </Button>
          </span>
        )
      }
      actions={
        <Button icon="export" onClick={() => setExporting(true)} aria-label={t("calls.export")}>
          <span className="max-sm:hidden">{t("calls.export")}</span>
        </Button>
      }
    >
      <div className="flex shrink-0 items-center gap-2 border-b border-line px-4 py-2.5 max-sm:overflow-x-auto sm:flex-wrap sm:px-6">
        <FilterChip name={t("calls.last")} value={filters.last} none={t("calls.allTime")} options={Object.keys(spans).map((value) => ({ value, label: t(`calls.spans.${value as "1h"}`) }))} onChange={(last) => filter({ last, since: undefined, until: undefined })} />
        <FilterChip name={t("calls.status")} value={filters.status} options={statuses.map((value) => ({ value, label: t(`calls.statuses.${value}`) }))} onChange={(status) => filter({ status })} />
        <FilterChip name={t("word.model")} value={filters.model} options={models.map((model) => ({ value: model.id, label: model.id }))} onChange={(model) => filter({ model })} />
        <FilterChip name={t("word.key")} value={filters.key} options={keys.map((key) => ({ value: key.id, label: key.label }))} onChange={(key) => filter({ key })} />
        <FilterChip name={t("word.provider")} value={filters.provider} options={providers.map((provider) => ({ value: provider.name, label: provider.name }))} onChange={(provider) => filter({ provider })} />
        <span className="ml-auto shrink-0 text-cap whitespace-nowrap text-ink-3" role="status">
          {pages.data === undefined ? "" : sampled > 1 ? t("calls.sampled", { n: sampled }) : t(pages.hasNextPage ? "calls.shownMore" : "calls.shown", { count: calls.length, n: format.count(calls.length) })}
        </span>
      </div>
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col" onPointerEnter={() => setHover(true)} onPointerLeave={() => setHover(false)}>
          {pages.isPending ? (
            <Rows count={14} />
          ) : pages.isError ? (
            <Failed error={pages.error} again={() => void pages.refetch()} />
          ) : calls.length === 0 ? (
            filtered ? (
              <Empty
                text={t("calls.noneMatch")}
                act={
                  <Link to="/calls/{-$callId}" params={{ callId }} search={{}}>
                    {t("common.dropFilters")}
                  </Link>
                }
              />
            ) : (
              <Empty
                text={t("overview.noCalls")}
                act={
                  <Link to="/playground" className="font-semibold">
                    {t("overview.callFromHere")}
                  </Link>
                }
                command="sekisho chat --model sandbox/echo Hello"
              />
            )
          ) : (
            <DataTable
              label={t("nav.calls")}
              rows={calls}
              columns={columns}
              idOf={(call) => call.id}
              selected={calls.find((call) => call.id === callId || call.request_id === callId)?.id}
              drawerOpen={callId !== undefined}
              onTop={setTop}
              onOpen={(call, element) => {
                opener.current = element;
                open(call.id);
              }}
              onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
              phone={(call) => (
                <>
                  <div className="flex items-center gap-2">
                    <StateMark state={stateOf(call)} />
                    <span className="min-w-0 flex-1 truncate">{call.model}</span>
                    <span>{format.duration(call.duration_ms)}</span>
                  </div>
                  <div className="flex gap-2 text-cap text-ink-3">
                    <span className="font-mono">{format.listTime(new Date(call.started_at))}</span>
                    <span className="min-w-0 flex-1 truncate">{call.key_label}</span>
                    <span className={call.status === "failed" ? "text-shu" : ""}>{call.http_status}</span>
                  </div>
                </>
              )}
            />
          )}
        </div>
        {callId === undefined ? null : (
          <CallDrawer
            id={callId}
            known={calls.find((call) => call.id === callId || call.request_id === callId)}
            onStep={step}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
      {exporting ? <ExportDialog query={query} onClose={() => setExporting(false)} /> : null}
    </Screen>
  );
}

/** Rows that came while one looks. They join the list only at its top and while nobody reads; else they wait. */
function useFresh(filters: CallFilters, drawerOpen: boolean, query: unknown) {
  const [fresh, setFresh] = useState<Call[]>([]);
  const [waiting, setWaiting] = useState<Call[]>([]);
  const [sampled, setSampled] = useState(1);
  const reading = useRef({ top: true, hover: false, drawer: drawerOpen });
  useEffect(() => {
    reading.current.drawer = drawerOpen;
  });
  useEffect(() => {
    setFresh([]);
    setWaiting([]);
  }, [query]);
  useEffect(() => {
    let arrived = 0;
    let second = 0;
    return live.subscribe((calls) => {
      let wanted = calls.filter((call) => matches(call, filters));
      if (wanted.length === 0) return;
      const now = Math.floor(Date.now() / 1000);
      arrived = now === second ? arrived + wanted.length : wanted.length;
      second = now;
      const every = Math.max(1, Math.ceil(arrived / MOST_PER_SECOND));
      setSampled(every);
      if (every > 1) wanted = wanted.filter((_, place) => place % every === 0);
      wanted.sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
      const { top, hover, drawer } = reading.current;
      if (top && !hover && !drawer) setFresh((held) => [...wanted, ...held].slice(0, 2000));
      else setWaiting((held) => [...wanted, ...held].slice(0, 2000));
    });
  }, [filters]);
  const show = useCallback(() => {
    setWaiting((held) => {
      setFresh((shown) => {
        const known = new Set(shown.map((call) => call.id));
        return [...held.filter((call) => !known.has(call.id)), ...shown].slice(0, 2000);
      });
      return [];
    });
  }, []);
  const setTop = useCallback((top: boolean) => (reading.current.top = top), []);
  const setHover = useCallback((hover: boolean) => (reading.current.hover = hover), []);
  return { fresh, waiting: waiting.length, sampled, show, setTop, setHover };
}

/** First token and duration of one call against the longest in sight. */
function TimeBar({ call, longest }: { call: Call; longest: number }) {
  const whole = Math.max(1, (call.duration_ms / longest) * 130);
  const first = call.ttfb_ms === null ? 0 : Math.min(whole, (call.ttfb_ms / longest) * 130);
  return (
    <span className="flex h-2 w-[130px] items-center" aria-hidden="true">
      {call.status === "failed" ? (
        <i className="h-2 rounded-bar bg-shu-mark" style={{ width: whole }} />
      ) : (
        <>
          <i className="h-1 bg-seq-3" style={{ width: first }} />
          <i className="h-2 rounded-bar bg-seq-5" style={{ width: Math.max(1, whole - first) }} />
        </>
      )}
    </span>
  );
}
