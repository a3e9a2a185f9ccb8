/**
 * Where the time went. Above, our own microseconds on a scale of their own (the lens); below, the seconds of client and provider.
 */
import { useTranslation } from "react-i18next";

import { useFormat } from "@/i18n";
import type { Call } from "@/lib/api/types";
import { gateTime } from "@/lib/strip";

export type Stage = "receive" | "screen" | "authenticate" | "body" | "route" | "admit" | "connect" | "first_byte" | "relay";

const ours: Stage[] = ["screen", "authenticate", "route", "admit"];
const order: Stage[] = ["receive", "screen", "authenticate", "body", "route", "admit", "connect", "first_byte", "relay"];

export interface Span {
  stage: Stage;
  from: number;
  us: number;
}

/** Each stage with its beginning, in microseconds since the request began. */
export function spansOf(call: Pick<Call, "stages">): Span[] {
  const stages = call.stages as Record<string, number>;
  let from = 0;
  return order.map((stage) => {
    const us = stages[`${stage}_us`] ?? 0;
    const span = { stage, from, us };
    from += us;
    return span;
  });
}

export function Lens({ call }: { call: Call }) {
  const { t } = useTranslation();
  const format = useFormat();
  const spans = spansOf(call);
  const total = Math.max(1, spans.reduce((sum, span) => sum + span.us, 0));
  const own = gateTime(call);
  const mine = spans.filter((span) => ours.includes(span.stage));
  const at = (stage: Stage) => spans.find((span) => span.stage === stage) ?? { stage, from: 0, us: 0 };
  const client = at("receive").us + at("body").us;
  const rows: { name: string; detail: string; parts: { left: number; width: number; look: string; text?: string }[]; time: number }[] = [
    { name: t("lens.client"), detail: call.address, parts: [{ left: 0, width: client / total, look: "bg-rest" }], time: client },
    {
      name: call.provider,
      detail: call.upstream_model,
      parts: [
        { left: at("connect").from / total, width: at("connect").us / total, look: "bg-seq-5" },
        { left: at("first_byte").from / total, width: at("first_byte").us / total, look: call.status === "failed" ? "bg-shu-mark" : "hatch border border-dashed border-line-strong", text: t("lens.firstByte") },
        { left: at("relay").from / total, width: at("relay").us / total, look: call.status === "failed" ? "bg-shu-mark" : "bg-seq-2", text: speedOf(call, at("relay").us, format.speed) },
      ],
      time: at("connect").us + at("first_byte").us + at("relay").us,
    },
  ];
  const ticks = ticksOf(total / 1000);
  const track = "grid grid-cols-[104px_minmax(0,1fr)_70px] items-center gap-3";
  const summary = t("lens.share", { own: format.percent(own / total), theirs: format.percent(1 - own / total) });
  let left = 0;
  return (
    <div>
      <div className="mb-1.5 flex items-baseline justify-between gap-2">
        <h3 className="text-ui font-semibold">{t("lens.title")}</h3>
        <span className="text-cap text-ink-3">{summary}</span>
      </div>
      <div className={track}>
        <span className="self-end text-ui">Sekisho</span>
        <div className="relative h-[38px]" role="img" aria-label={mine.map((span) => `${t(`lens.stage.${span.stage}`)} ${span.us} µs`).join(", ")}>
          {own === 0
            ? null
            : mine.map((span) => {
                const start = left;
                const width = (span.us / own) * 100;
                left += width;
                return (
                  <div key={span.stage} className="absolute bottom-0 h-[38px] min-w-0" style={{ left: `${start}%`, width: `${width}%` }} title={`${t(`lens.stage.${span.stage}`)} ${span.us} µs`}>
                    {width > 13 ? <div className="h-[17px] truncate text-axis text-ink-3">{t(`lens.stage.${span.stage}`)}</div> : <div className="h-[17px]" />}
                    <div className="h-[21px] truncate border-r border-surface bg-ai px-1.5 text-axis/[21px] text-on-ai">{width > 8 ? span.us : ""}</div>
                  </div>
                );
              })}
        </div>
        <b className="self-end text-right text-ui">{format.duration(own / 1000)}</b>
      </div>
      <div className={track}>
        <span />
        <svg viewBox="0 0 100 12" preserveAspectRatio="none" className="block h-3 w-full" aria-hidden="true">
          <path d={`M0 0H100L${Math.max((own / total) * 100, 0.4)} 12H0z`} fill="var(--bar)" />
        </svg>
        <span className="text-right text-axis text-ink-3">µs</span>
      </div>
      <div className="relative">
        <div className={`${track} pointer-events-none absolute inset-0`}>
          <span />
          <div className="relative h-full">
            {ticks.map((tick) => (
              <i key={tick} className="absolute inset-y-0 w-px bg-line" style={{ left: `${(tick / (total / 1000)) * 100}%` }} />
            ))}
          </div>
          <span />
        </div>
        <div className={`${track} relative`}>
          <span />
          <div className="relative h-4">
            {ticks.map((tick) => (
              <span key={tick} className="absolute pl-1 text-axis whitespace-nowrap text-ink-3" style={{ left: `${(tick / (total / 1000)) * 100}%` }}>
                {tick === 0 ? "0" : format.duration(tick)}
              </span>
            ))}
          </div>
          <span />
        </div>
        {rows.map((row) => (
          <div key={row.name} className={`${track} relative py-1`}>
            <span className="min-w-0 text-ui">
              <span className="block truncate">{row.name}</span>
              <span className="block truncate text-axis text-ink-3" title={row.detail}>
                {row.detail}
              </span>
            </span>
            <div className="relative h-4">
              {row.parts.map((part, place) => (
                <div key={place} className={`absolute inset-y-0 overflow-hidden ${part.look}`} style={{ left: `${part.left * 100}%`, width: `max(${part.width * 100}%, ${part.width > 0 ? 1 : 0}px)` }}>
                  {part.text !== undefined && part.width > 0.22 ? <span className={`absolute inset-y-0 left-1 flex items-center px-0.5 text-axis/none whitespace-nowrap ${part.look.startsWith("hatch") ? "bg-surface text-ink-2" : part.look === "bg-shu-mark" ? "sr-only" : "text-ink"}`}>{part.text}</span> : null}
                </div>
              ))}
            </div>
            <span className={`text-right text-ui ${call.status === "failed" && row.name === call.provider ? "text-shu" : ""}`}>{format.duration(row.time / 1000)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

function speedOf(call: Call, us: number, write: (n: number) => string): string {
  return call.output_tokens > 0 && us > 50_000 ? write(Math.round(call.output_tokens / (us / 1e6))) : "";
}

/** Four or five round steps over so many milliseconds. */
export function ticksOf(ms: number): number[] {
  const rough = ms / 4;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 0.001)));
  const step = ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let tick = 0; tick <= ms * 0.93; tick += step) ticks.push(Number(tick.toPrecision(6)));
  return ticks;
}
