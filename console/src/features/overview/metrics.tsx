/** The metrics of the period against the one before; each is a door. */
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { Skeleton } from "@/components/panel";
import { Sparkline } from "@/components/sparkline";
import { useFormat } from "@/i18n";
import type { Parts } from "@/lib/format";
import type { Report } from "@/lib/api/types";
import type { Periods, Range, Sum } from "@/lib/periods";

interface Metric {
  name: string;
  parts: Parts;
  change: string;
  read: (sum: Sum) => number | null;
  to: ReactNode;
}

interface Props {
  periods: Periods | undefined;
  /** Of the whole range: with it come the percentiles, which hours cannot be added up to. */
  totals: Report["totals"] | undefined;
  range: Range;
  currency: string;
}

export function Metrics({ periods, totals, range, currency }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const line = (
    <div className="mx-0.5 mt-3 mb-1 flex justify-between gap-3 text-cap text-ink-3">
      <span>{t(`range.${range}`)}</span>
      <span className="inline-flex items-center gap-1.5">
        {periods?.known === false ? (
          t("overview.noBefore")
        ) : (
          <>
            <span aria-hidden="true" className="tracking-tighter">
              ·····
            </span>
            {t(`range.before.${range}`)}
          </>
        )}
      </span>
    </div>
  );
  const grid = "grid grid-cols-2 overflow-hidden rounded-panel border border-line bg-surface sm:grid-cols-3 md:grid-cols-6";
  if (periods === undefined)
    return (
      <>
        {line}
        <div className={grid}>
          {Array.from({ length: 6 }, (_, place) => (
            <div key={place} className="h-[117px] border-l border-line p-3 first:border-0">
              <Skeleton className="h-full" />
            </div>
          ))}
        </div>
      </>
    );
  const { now, before, known } = periods;
  const share = (sum: Sum) => (sum.calls === 0 ? 0 : sum.failed / sum.calls);
  const none: Parts = { value: "–", unit: "" };
  const time = (ms: number | null): Parts => (ms === null ? none : format.durationParts(ms));
  const high = (ms: number | null) => (ms === null ? "" : t("metric.p95", { time: format.duration(ms) }));
  const percent = format.percent(share(now));
  const compare = (a: number | null, b: number | null) => (!known || a === null || b === null ? "" : format.change(a, b));
  const usage = (measure: string) => ({ to: "/usage" as const, search: { range, measure } });
  const metrics: (Omit<Metric, "to"> & { door: { to: "/usage"; search: Record<string, string> } | { to: "/calls/{-$callId}"; search: Record<string, string> } })[] = [
    { name: t("metric.calls"), parts: { ...format.countParts(now.calls), unit: format.countParts(now.calls).unit || (format.language === "ja" ? "件" : "") }, change: compare(now.calls, before.calls), read: (sum) => sum.calls, door: usage("calls") },
    { name: t("metric.tokens"), parts: format.countParts(now.tokens), change: compare(now.tokens, before.tokens), read: (sum) => sum.tokens, door: usage("tokens") },
    { name: t("metric.cost"), parts: { value: format.money(now.cost, currency), unit: "" }, change: compare(now.cost, before.cost), read: (sum) => sum.cost, door: usage("cost") },
    {
      name: t("metric.failed"),
      parts: { value: percent.slice(0, -1), unit: "%" },
      change: known ? format.points(share(now), share(before)) : "",
      read: share,
      door: { to: "/calls/{-$callId}", search: { last: range, status: "failed" } },
    },
    { name: t("metric.durationP50"), parts: time(totals?.duration_p50_ms ?? null), change: high(totals?.duration_p95_ms ?? null), read: (sum) => sum.durationMs, door: { to: "/calls/{-$callId}", search: { last: range } } },
    { name: t("metric.firstByteP50"), parts: time(totals?.ttfb_p50_ms ?? null), change: high(totals?.ttfb_p95_ms ?? null), read: (sum) => sum.ttfbMs, door: { to: "/calls/{-$callId}", search: { last: range } } },
  ];
  return (
    <>
      {line}
      <div className={grid}>
        {metrics.map((metric) => (
          <Link
            key={metric.name}
            {...(metric.door.to === "/usage" ? metric.door : { ...metric.door, params: { callId: undefined } })}
            className="min-w-0 border-line px-3 pt-[9px] pb-2 text-ink hover:bg-sunk hover:no-underline max-sm:even:border-l max-sm:[&:nth-child(n+3)]:border-t sm:max-md:[&:nth-child(n+4)]:border-t sm:max-md:[&:not(:nth-child(3n+1))]:border-l md:border-l md:first:border-l-0"
          >
            <div className="text-cap whitespace-nowrap text-ink-2">{metric.name}</div>
            <div className="text-metric font-semibold whitespace-nowrap">
              {metric.parts.value}
              {metric.parts.unit === "" ? null : <small className="ml-0.5 text-cap font-normal text-ink-2">{metric.parts.unit}</small>}
            </div>
            <div className="mb-1 h-4 text-cap text-ink-2">{metric.change}</div>
            <Sparkline now={periods.nowBuckets.map(metric.read)} before={known ? periods.beforeBuckets.map(metric.read) : []} />
          </Link>
        ))}
      </div>
    </>
  );
}
