/** Is all well, and what needs me? */
import type { TFunction } from "i18next";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { needs } from "@/app/shell/state";
import { type BarRow, BarRows } from "@/components/bar-rows";
import { Segmented } from "@/components/field";
import { Empty, Failed, Panel, Skeleton, Verdict } from "@/components/panel";
import { Health } from "@/features/overview/health";
import { Metrics } from "@/features/overview/metrics";
import { type Need, needsOf } from "@/features/overview/needs";
import { NeedsYou } from "@/features/overview/needs-you";
import { PassingNow } from "@/features/overview/passing-now";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Findings, Row } from "@/lib/api/types";
import { providersQuery, useKeyNames } from "@/lib/catalog";
import { gatewayBase } from "@/lib/gateway";
import { passing } from "@/lib/strip";
import { doubleReport, type Range, rangeOf, ranges, reportQuery, split } from "@/lib/periods";
import { snippets } from "@/lib/snippets";
import { useMay } from "@/lib/rights";
import { useStatus } from "@/lib/status";
import { useStore } from "@/lib/store";

const SHOWN = 5;

export function Overview() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const range = rangeOf(useSearch({ from: "/frame/" }).range);
  const report = useQuery(doubleReport(range));
  const models = useQuery(reportQuery(range, "model"));
  const keys = useQuery(reportQuery(range, "key"));
  const status = useStatus();
  const providers = useQuery(providersQuery);
  const keyList = useKeyNames();
  const may = useMay();
  const mends = may("catalog.write");
  const findings = useQuery({ queryKey: ["doctor"], queryFn: () => request<Findings>("GET", "/api/doctor"), staleTime: 300_000, enabled: may("system") });
  const { seconds } = useStore(passing);

  const end = report.data === undefined ? 0 : Date.parse(report.data.period.to);
  const periods = useMemo(() => (report.data === undefined ? undefined : split(report.data.rows, range, end)), [report.data, range, end]);
  const currency = report.data?.totals.currency ?? "USD";
  const wanting = needsOf({ status: status.data, providers: mends ? providers.data : undefined, keys: keyList.data, findings: findings.data, unpriced: mends ? (models.data?.totals.unpriced ?? 0) : 0 }, new Date());
  const needed = wanting.length;
  useEffect(() => needs.set(needed), [needed]);

  const recent = seconds.reduce((total, each) => total + each.passed, 0);
  const never = periods !== undefined && !periods.known && periods.now.calls === 0 && recent === 0;
  const waiting = periods === undefined && !report.isError;
  const rangeWords = t(`range.${range}`);
  return (
    <Screen
      id="overview"
      actions={<Segmented label={t("range.label")} value={range} options={ranges.map((value) => ({ value, label: t(`range.short.${value}`) }))} onChange={(next: Range) => void navigate({ to: "/", search: next === "24h" ? {} : { range: next } })} />}
    >
      {waiting ? <Skeleton className="h-7 w-96 max-w-full" /> : null}
      {periods === undefined ? null : (
        <Verdict
          evidence={never ? undefined : t("overview.evidence", { count: periods.now.calls, calls: format.count(periods.now.calls), range: t(`range.in.${range}`), failed: format.percent(periods.now.calls === 0 ? 0 : periods.now.failed / periods.now.calls), cost: format.money(periods.now.cost, currency) })}
        >
          {verdict(t, never, recent, needed, wanting)}
        </Verdict>
      )}
      {waiting || wanting.length === 0 ? null : <NeedsYou needs={wanting} />}
      {never ? (
        <Panel className="mt-3">
          <Empty
            text={t("overview.noCalls")}
            act={
              <Link to="/playground" className="font-semibold">
                {t("overview.callFromHere")}
              </Link>
            }
            command={snippets(gatewayBase(status.data?.ports.gateway), { model: "sandbox/echo", messages: [{ role: "user", content: "Hello" }] }).curl}
          />
        </Panel>
      ) : null}
      {/* How many lines the verdict has is known with it; until then nothing stands below that it would push. */}
      {waiting ? null : (
        <>
      <PassingNow />
      {report.isError ? <Failed error={report.error} again={() => void report.refetch()} /> : <Metrics periods={periods} totals={models.data?.totals} range={range} currency={currency} />}
      <div className="mt-3 grid gap-3 sm:max-md:grid-cols-2 md:grid-cols-[minmax(0,1.12fr)_minmax(0,1fr)_minmax(0,1.1fr)]">
        <Ranking title={t("nav.models")} sub={rangeWords} query={models} all={{ by: "model" }} range={range} filter="model" />
        <Ranking title={t("nav.keys")} sub={rangeWords} query={keys} all={{ by: "key" }} range={range} filter="key" />
        {mends ? <Health range={range} /> : null}
      </div>
        </>
      )}
    </Screen>
  );
}

function verdict(t: TFunction, never: boolean, recent: number, needed: number, wanting: Need[]): string {
  const state = wanting.some((need) => need.kind === "workers") ? t("overview.noWorkers") : never ? t("overview.ready") : recent > 0 ? t("overview.passing") : t("overview.quiet");
  return needed === 0 ? `${state}${t("overview.nothingNeeded")}` : `${state}${t("overview.needed", { count: needed })}`;
}

interface RankingProps {
  title: string;
  sub: string;
  query: { data?: { rows: Row[]; totals: { currency: string | null } } | undefined; isError: boolean; error: unknown; refetch: () => unknown };
  all: { by: string };
  range: Range;
  filter: "model" | "key";
}

function Ranking({ title, sub, query, all, range, filter }: RankingProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const rows = query.data?.rows ?? [];
  const most = rows[0]?.calls ?? 1;
  const currency = query.data?.totals.currency ?? "USD";
  const costOf = (row: Row) => (row.unpriced === row.calls && row.calls > 0 ? "–" : format.money(row.cost ?? 0, row.currency ?? currency));
  const shown: BarRow[] = rows.slice(0, SHOWN).map((row) => ({ name: row.label ?? row.key, share: row.calls / most, first: format.count(row.calls), second: costOf(row), search: { last: range, [filter]: row.key } }));
  const others = rows.slice(SHOWN);
  if (others.length > 0) {
    const calls = others.reduce((total, row) => total + row.calls, 0);
    shown.push({ name: t("overview.others", { count: others.length }), share: Math.min(calls / most, 1), first: format.count(calls), second: format.money(others.reduce((total, row) => total + Number(row.cost ?? 0), 0), currency), rest: true });
  }
  return (
    <Panel
      title={title}
      sub={sub}
      right={
        <Link to="/usage" search={{ ...all, range }} className="text-cap">
          {t("overview.all")}
        </Link>
      }
    >
      {query.isError ? (
        <Failed error={query.error} again={() => void query.refetch()} />
      ) : query.data === undefined ? (
        <div className="flex flex-col gap-1 px-3.5 pt-5 pb-3">
          {Array.from({ length: 5 }, (_, place) => (
            <Skeleton key={place} className="h-[21px]" />
          ))}
        </div>
      ) : rows.length === 0 ? (
        <p className="px-3.5 pb-4 text-ui text-ink-3">{t("overview.noneYet")}</p>
      ) : (
        <BarRows rows={shown} heads={[t("overview.callsHead"), t("overview.costHead")]} />
      )}
    </Panel>
  );
}
