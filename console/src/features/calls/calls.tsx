/** What happened, and why? */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { LiveState, Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { copyText } from "@/components/copy";
import { type Column, DataTable } from "@/components/data-table";
import { type State, StateMark } from "@/components/icon";
import { Empty, Failed, Rows } from "@/components/panel";
import { toast } from "@/components/toast";
import { CallDrawer } from "@/features/calls/call-drawer";
import { type Counted, useCount, useMore } from "@/features/calls/count";
import { ExportDialog } from "@/features/calls/export";
import { FilterBar } from "@/features/calls/filter-bar";
import { type CallFilters, filtersOf } from "@/features/calls/filters";
import { useCallList } from "@/features/calls/list";
import { useFormat } from "@/i18n";
import type { Call } from "@/lib/api/types";
import { useShortcuts } from "@/lib/shortcuts";

export function stateOf(call: Call): State {
  return call.status === "completed" ? "serving" : call.status === "cancelled" ? "off" : "failed";
}

export function Calls() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { callId } = useParams({ from: "/frame/calls/{-$callId}" });
  const search = useSearch({ from: "/frame/calls/{-$callId}" });
  // The same filters are the same object: the list begins anew with another one.
  const written = JSON.stringify(filtersOf(search));
  const filters = useMemo(() => JSON.parse(written) as CallFilters, [written]);
  const [asked, setAsked] = useState(() => Date.now());
  const opener = useRef<HTMLElement | null>(null);

  const { query, pages, calls, waiting, sampled, show, setTop, setHover } = useCallList(filters, asked, callId !== undefined);

  const counted = useCount(query, asked);
  const more = useMore(calls.length, pages);

  const filter = (part: CallFilters, replace = false) => {
    setAsked(Date.now());
    void navigate({ to: "/calls/{-$callId}", params: { callId }, search: { ...filters, ...part }, replace });
  };
  const exporting = (on: boolean) => void navigate({ to: "/calls/{-$callId}", params: { callId }, search: { ...filters, export: on ? "1" : undefined }, replace: true });
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
        <Button icon="export" onClick={() => exporting(true)} aria-label={t("calls.export")}>
          <span className="max-sm:hidden">{t("calls.export")}</span>
        </Button>
      }
    >
      <div className="flex shrink-0 items-center gap-2 border-b border-line px-4 py-2.5 max-sm:overflow-x-auto sm:flex-wrap sm:px-6">
        <FilterBar filters={filters} calls={calls} onFilter={filter} onOpen={open} />
        <span className="ml-auto shrink-0 text-cap whitespace-nowrap text-ink-3" role="status">
          {pages.data === undefined ? "" : sampled > 1 ? t("calls.sampled", { n: sampled }) : <Matching counted={counted} shown={calls.length} whole={!pages.hasNextPage} />}
        </span>
      </div>
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col" onPointerEnter={() => setHover(true)} onPointerLeave={() => setHover(false)}>
          {pages.isPending ? (
            <Rows count={14} />
          ) : pages.isError ? (
            <Failed error={pages.error} again={() => void pages.refetch()} />
          ) : calls.length === 0 && (more.looking || more.waits) ? (
            <Further {...more} />
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
              foot={more.looking || more.waits ? <Further {...more} /> : undefined}
              onEnd={() => (pages.hasNextPage && !more.waits && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
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
      {search.export === undefined ? null : <ExportDialog query={query} onClose={() => exporting(false)} />}
    </Screen>
  );
}

/** How many calls match: counted by the server, and never fewer than are to be seen. */
function Matching({ counted, shown, whole }: { counted: Counted | undefined; shown: number; whole: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (whole) return t("calls.shown", { count: shown, n: format.count(shown) });
  if (counted === undefined) return t("calls.shownMore", { count: shown, n: format.count(shown) });
  const count = Math.max(counted.count, shown);
  return t(counted.exact ? "calls.shown" : "calls.atLeast", { count, n: format.count(count) });
}

/** Filters that no index knows look through a part at a time: what was looked through, and the way on. */
function Further({ looking, goOn }: { looking: boolean; goOn: () => void }) {
  const { t } = useTranslation();
  return (
    <div role="status" className="flex flex-wrap items-center justify-center gap-3 px-4 py-6 text-ui text-ink-2">
      {t(looking ? "calls.lookingBack" : "calls.lookedBack")}
      {looking ? null : (
        <Button size="small" onClick={goOn}>
          {t("calls.lookFurther")}
        </Button>
      )}
    </div>
  );
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
