/** Amounts over time as stacked columns from zero; at most six series and the rest. The unfinished last column is paler. */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";

import { Button } from "@/components/button";
import { copyText } from "@/components/copy";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import { paints, token } from "@/lib/preferences";
import { useStore } from "@/lib/store";

export interface Series {
  name: string;
  /** Name of a colour token. */
  colour: string;
  values: number[];
}

interface Props {
  /** Beginnings of the buckets, seconds since the epoch. */
  times: number[];
  series: Series[];
  bucket: "hour" | "day";
  write: (value: number) => string;
  title: string;
  height?: number;
}

/** Sums from below, so that each column can be drawn from the top one down. */
export function stack(series: readonly Series[]): number[][] {
  const sums: number[][] = [];
  series.forEach((each, place) => sums.push(each.values.map((value, at) => value + (sums[place - 1]?.[at] ?? 0))));
  return sums;
}

export function TimeChart({ times, series, bucket, write, title, height = 220 }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const frame = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const painted = useStore(paints);

  useEffect(() => {
    const place = frame.current;
    if (place === null || times.length === 0) return;
    const sums = stack(series);
    const reversed = [...series.keys()].reverse();
    const axis = { stroke: token("ink-3"), font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } } as const;
    const options: uPlot.Options = {
      width: place.clientWidth,
      height,
      legend: { show: false },
      cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
      padding: [8, 4, 0, 0],
      scales: { x: { time: true, range: (_, low, high) => [low - (bucket === "hour" ? 1800 : 43_200), high + (bucket === "hour" ? 1800 : 43_200)] }, y: { range: (_, __, high) => [0, high === 0 ? 1 : high * 1.06] } },
      axes: [
        { ...axis, size: 26, grid: { show: false }, space: 70, values: (_, ticks) => ticks.map((tick) => label(new Date(tick * 1000))) },
        { ...axis, size: 56, grid: { stroke: token("line"), width: 1 }, space: 44, values: (_, ticks) => ticks.map((tick) => write(tick)) },
      ],
      series: [
        {},
        ...reversed.map((at) => ({
          label: series[at]?.name ?? "",
          fill: token(series[at]?.colour ?? "cat-rest"),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars?.({ size: [0.76, 28] }),
        })),
      ],
      hooks: { setCursor: [(plot) => setPointed(plot.cursor.idx ?? null)] },
    };
    function label(at: Date): string {
      return bucket === "hour" && (at.getHours() !== 0 || times.length <= 25) ? format.clock(at) : format.listTime(new Date(at.getTime()), new Date(0)).replace(/ \d\d:\d\d$/, "");
    }
    const plot = new uPlot(options, [times, ...reversed.map((at) => sums[at] ?? [])], place);
    const observer = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height }));
    observer.observe(place);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [times, series, bucket, height, write, format, painted, asTable]);

  function csv(): string {
    return [["time", ...series.map((each) => each.name)], ...times.map((time, at) => [new Date(time * 1000).toISOString(), ...series.map((each) => each.values[at] ?? 0)])].map((row) => row.join(",")).join("\n");
  }

  const total = series.reduce((sum, each) => sum + each.values.reduce((a, b) => a + b, 0), 0);
  return (
    <div className="px-3.5 pb-3">
      <div className="mb-1 flex flex-wrap items-center gap-x-4 gap-y-1 text-cap text-ink-2">
        {series.map((each) => (
          <span key={each.name} className="inline-flex max-w-[260px] min-w-0 items-center gap-1.5">
            <i className="size-2.5 shrink-0 rounded-bar" style={{ background: `var(--${each.colour})` }} />
            <span className="truncate">{each.name}</span>
          </span>
        ))}
        <span className="ml-auto flex gap-1">
          <Button kind="quiet" size="small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            {asTable ? t("chart.asChart") : t("chart.asTable")}
          </Button>
          <Button kind="quiet" size="small" onClick={() => void copyText(csv()).then(() => toast(t("chart.copied")))}>
            {t("chart.copyCsv")}
          </Button>
        </span>
      </div>
      {asTable ? (
        <div className="overflow-auto" style={{ height }} tabIndex={0} role="region" aria-label={title}>
          <table className="w-full text-ui">
            <thead>
              <tr className="text-cap text-ink-3">
                <th className="text-left font-normal">{t("calls.time")}</th>
                {series.map((each) => (
                  <th key={each.name} className="max-w-[160px] truncate pl-3 text-right font-normal">
                    {each.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, at) => (
                <tr key={time} className="border-t border-line">
                  <td className="py-1 font-mono">{format.listTime(new Date(time * 1000), new Date(0))}</td>
                  {series.map((each) => (
                    <td key={each.name} className="pl-3 text-right">
                      {write(each.values[at] ?? 0)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div className="relative" style={{ height }}>
          <div ref={frame} className="size-full" role="img" aria-label={t("chart.summary", { title, total: write(total), buckets: times.length })} />
          {pointed === null || times[pointed] === undefined ? null : (
            <div className={`pointer-events-none absolute top-1 z-10 rounded-control bg-surface px-2.5 py-1.5 text-cap shadow-float ${pointed > times.length / 2 ? "left-16" : "right-2"}`}>
              <div className="mb-0.5 text-ink-3">
                {format.listTime(new Date((times[pointed] ?? 0) * 1000), new Date(0))} · {t(bucket === "hour" ? "chart.oneHour" : "chart.oneDay")}
              </div>
              {[...series].reverse().map((each) => (
                <div key={each.name} className="flex items-center gap-2">
                  <i className="size-2 rounded-bar" style={{ background: `var(--${each.colour})` }} />
                  <span className="max-w-[220px] flex-1 truncate">{each.name}</span>
                  <b className="pl-3">{write(each.values[pointed] ?? 0)}</b>
                </div>
              ))}
            </div>
          )}
        </div>
      )}
    </div>
  );
}
