/** Where do tokens and money go? */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Segmented } from "@/components/field";
import { Empty, Failed, Panel, Skeleton, Verdict } from "@/components/panel";
import { type Series, TimeChart } from "@/components/time-chart";
import { useFormat } from "@/i18n";
import type { Row } from "@/lib/api/types";
import { doubleReport, lengthOf, type Range, rangeOf, ranges, reportQuery, split } from "@/lib/periods";
import { colourNames } from "@/lib/series";

const groupings = ["model", "key", "project", "provider"] as const;
type Grouping = (typeof groupings)[number];
const measures = ["calls", "tokens", "cost"] as const;
type Measure = (typeof measures)[number];

export function measured(row: Row, measure: Measure): number {
  return measure === "calls" ? row.calls : measure === "tokens" ? row.input_tokens + row.output_tokens : Number(row.cost ?? 0);
}

/** Columns over time: by outcome for calls, by direction for tokens, one for cost. */
export function columnsOf(rows: readonly Row[], measure: Measure, names: Record<string, string>): Series[] {
  const take = (name: string, colour: string, read: (row: Row) => number): Series => ({ name: names[name] ?? name, colour, values: rows.map(read) });
  if (measure === "calls") return [take("passed", "seq-6", (row) => row.completed), take("cancelled", "cat-rest", (row) => row.cancelled), take("failed", "shu-mark", (row) => row.failed)];
  if (measure === "tokens") return [take("input", "cat-1", (row) => row.input_tokens - row.cached_tokens), take("cached", "seq-3", (row) => row.cached_tokens), take("output", "cat-2", (row) => row.output_tokens)];
  return [take("cost", "cat-1", (row) => Number(row.cost ?? 0))];
}

export function Usage() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const search = useSearch({ from: "/frame/usage" });
  const range = rangeOf(search.range);
  const by: Grouping = groupings.find((each) => each === search.by) ?? "model";
  const measure: Measure = measures.find((each) => each === search.measure) ?? "calls";
  const wide = useQuery(doubleReport(range));
  const bucket = range === "24h" || range === "7d" ? "hour" : "day";
  const timed = useQuery(reportQuery(range, bucket));
  const grouped = useQuery(reportQuery(range, by));
  const periods = wide.data === undefined ? undefined : split(wide.data.rows, range, Date.parse(wide.data.period.to));
  const currency = grouped.data?.totals.currency ?? "USD";

  const chart = useMemo(() => {
    if (timed.data === undefined) return null;
    const step = bucket === "hour" ? 3_600_000 : 86_400_000;
    const known = new Map(timed.data.rows.map((row) => [Math.floor(Date.parse(row.key) / step) * step, row]));
    const end = Math.floor(Date.parse(timed.data.period.to) / step) * step;
    const count = Math.ceil(lengthOf[range] / step);
    const blank = { calls: 0, completed: 0, failed: 0, cancelled: 0, unpriced: 0, input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0, cost: "0", currency: null, costs: [], duration_ms: null, ttfb_ms: null, key: "", label: null } as unknown as Row;
    const starts = Array.from({ length: count + 1 }, (_, place) => end - (count - place) * step);
    const names = { passed: t("overview.passed"), cancelled: t("calls.statuses.cancelled"), failed: t("calls.statuses.failed"), input: t("calls.input"), cached: t("calls.cached"), output: t("calls.output"), cost: t("metric.cost") };
    return { times: starts.map((start) => start / 1000), series: columnsOf(starts.map((start) => known.get(start) ?? blank), measure, names) };
  }, [timed.data, bucket, range, measure, t]);

  const write = useMemo(() => (measure === "cost" ? (value: number) => format.money(value, currency) : (value: number) => format.count(Math.round(value))), [measure, currency, format]);
  const go = (part: typeof search) => void navigate({ to: "/usage", search: { ...search, ...part }, replace: true });
  const rows = useMemo(() => [...(grouped.data?.rows ?? [])].sort((a, b) => measured(b, measure) - measured(a, measure)), [grouped.data, measure]);
  const colours = colourNames(rows.map((row) => row.key));
  const most = rows[0] === undefined ? 1 : Math.max(measured(rows[0], measure), 1e-9);
  const total = rows.reduce((sum, row) => sum + measured(row, measure), 0);

  const waiting = periods === undefined && !wide.isError;
  return (
    <Screen id="usage" actions={<Segmented label={t("range.label")} value={range} options={ranges.map((value) => ({ value, label: t(`range.short.${value}`) }))} onChange={(next: Range) => go({ range: next === "24h" ? undefined : next })} />}>
      {waiting ? <Skeleton className="h-7 w-80" /> : null}
      {periods === undefined ? null : (
        <Verdict evidence={periods.known ? t("usage.before", { change: format.change(periods.now.cost, periods.before.cost) || "–", calls: format.change(periods.now.calls, periods.before.calls) || "–" }) : t("overview.noBefore")}>
          {periods.now.calls === 0 ? t("usage.nothing", { range: t(`range.in.${range}`) }) : t("usage.verdict", { cost: format.money(periods.now.cost, currency), calls: format.count(periods.now.calls), tokens: format.count(periods.now.tokens), range: t(`range.in.${range}`) })}
        </Verdict>
      )}
      {periods !== undefined && periods.now.unpriced > 0 ? (
        <p className="mt-1 text-ui text-odo">
          ◆ {t("need.unpriced", { count: periods.now.unpriced, calls: format.count(periods.now.unpriced) })}{" "}
          <Link to="/models" search={{ show: "unpriced" }}>
            {t("models.setRate")}
          </Link>
        </p>
      ) : null}
      {waiting ? null : (
        <>
      <Panel
        className="mt-3"
        title={t(`metric.${measure}`)}
        sub={t(bucket === "hour" ? "usage.perHour" : "usage.perDay", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })}
        right={<Segmented label={t("usage.measure")} value={measure} options={measures.map((value) => ({ value, label: t(`metric.${value}`) }))} onChange={(next) => go({ measure: next === "calls" ? undefined : next })} />}
      >
        {timed.isError ? <Failed error={timed.error} again={() => void timed.refetch()} /> : chart === null ? <Skeleton className="mx-3.5 mb-3 h-[248px]" /> : <TimeChart times={chart.times} series={chart.series} bucket={bucket} write={write} title={t(`metric.${measure}`)} />}
      </Panel>
      <Panel className="mt-3" title={t("usage.who")} sub={t(`range.${range}`)} right={<Segmented label={t("usage.by")} value={by} options={groupings.map((value) => ({ value, label: t(`usage.groupings.${value}`) }))} onChange={(next) => go({ by: next === "model" ? undefined : next })} />}>
        {grouped.isError ? (
          <Failed error={grouped.error} again={() => void grouped.refetch()} />
        ) : grouped.data === undefined ? (
          <Skeleton className="mx-3.5 mb-3 h-40" />
        ) : rows.length === 0 ? (
          <Empty text={t("overview.noCalls")} />
        ) : (
          <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={t("usage.who")}>
            <table className="w-full text-ui">
              <thead>
                <tr className="border-b border-line text-cap text-ink-3 [&>th]:px-2.5 [&>th]:py-1.5 [&>th]:font-normal [&>th]:whitespace-nowrap">
                  <th className="!pl-3.5 text-left">{t(`usage.groupings.${by}`)}</th>
                  <th className="text-right">{t("metric.calls")}</th>
                  <th className="text-right max-sm:hidden">{t("metric.failed")}</th>
                  <th className="text-right max-md:hidden">{t("calls.input")}</th>
                  <th className="text-right max-md:hidden">{t("calls.output")}</th>
                  <th className="text-right">{t("metric.cost")}</th>
                  <th className="!pr-3.5 text-right max-sm:hidden">{t("usage.share")}</th>
                </tr>
              </thead>
              <tbody>
                {rows.slice(0, 100).map((row) => (
                  <tr key={row.key} className="border-b border-line last:border-0 hover:bg-sunk [&>td]:h-8 [&>td]:px-2.5 [&>td]:whitespace-nowrap">
                    <td className="w-[40%] max-w-[320px] !pl-3.5">
                      <span className="relative flex h-[21px] items-center gap-2">
                        <i className="absolute inset-y-0 left-0 rounded-bar bg-bar" style={{ width: `${Math.max(1, (measured(row, measure) / most) * 100)}%` }} />
                        <i className="relative ml-1.5 size-2 shrink-0 rounded-bar" style={{ background: `var(--${colours.get(row.key) ?? "cat-rest"})` }} />
                        <span className="relative truncate" title={row.label ?? row.key}>
                          {row.label ?? row.key}
                        </span>
                      </span>
                    </td>
                    <td className="text-right">
                      <Link to="/calls/{-$callId}" params={{ callId: undefined }} search={{ last: range, [by]: row.key }}>
                        {format.count(row.calls)}
                      </Link>
                    </td>
                    <td className="text-right max-sm:hidden">{format.percent(row.calls === 0 ? 0 : row.failed / row.calls)}</td>
                    <td className="text-right max-md:hidden">{format.count(row.input_tokens)}</td>
                    <td className="text-right max-md:hidden">{format.count(row.output_tokens)}</td>
                    <td className="text-right">{row.unpriced === row.calls ? <span className="text-ink-3">{t("calls.unpriced")}</span> : format.money(row.cost ?? 0, row.currency ?? currency)}</td>
                    <td className="!pr-3.5 text-right text-ink-2 max-sm:hidden">{total === 0 ? "–" : format.percent(measured(row, measure) / total)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {(grouped.data?.truncated ?? false) || rows.length > 100 ? <p className="px-3.5 py-2 text-cap text-ink-3">{t("usage.truncated", { n: Math.min(rows.length, 100) })}</p> : null}
      </Panel>
        </>
      )}
    </Screen>
  );
}
