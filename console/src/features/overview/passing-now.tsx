/** The panel around the gate strip: calls per second, our own time, and a pause. */
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { GateStrip } from "@/components/gate-strip";
import { Panel } from "@/components/panel";
import { useFormat } from "@/i18n";
import { passing, type Passing } from "@/lib/strip";
import { useStore } from "@/lib/store";

/** Calls per second over the last ten seconds. */
export function rateOf(seconds: Passing["seconds"]): number {
  const last = seconds.slice(-10);
  return last.length === 0 ? 0 : last.reduce((sum, each) => sum + each.passed + each.bad, 0) / last.length;
}

export function PassingNow() {
  const { t } = useTranslation();
  const format = useFormat();
  const current = useStore(passing);
  const [held, setHeld] = useState<Passing | null>(null);
  const shown = held ?? current;
  const rate = rateOf(shown.seconds);
  return (
    <Panel
      className="mt-3"
      title={t("overview.passingNow")}
      sub={
        <span className="inline-flex flex-wrap items-baseline gap-x-2.5">
          <b className="text-[15px] text-ink">{t("overview.perSecond", { rate: rate === 0 || rate >= 10 ? format.count(Math.round(rate)) : rate.toFixed(1) })}</b>
          <span className="max-sm:hidden">{t("overview.perSecondHelp")}</span>
          {shown.gateP50 === null ? null : (
            <span className="border-l border-line pl-3 text-ink-2 max-sm:border-0 max-sm:pl-0">
              <Trans
                i18nKey="overview.gateTime"
                values={{ p50: format.duration(shown.gateP50 / 1000), p99: format.duration((shown.gateP99 ?? shown.gateP50) / 1000) }}
                components={{ b: <b className="text-ink" /> }}
              />
            </span>
          )}
        </span>
      }
      right={
        <>
          <Legend colour="seq-6" text={t("overview.passed")} />
          <Legend colour="shu-mark" text={t("overview.bad")} />
          <Button size="small" icon={held === null ? "pause" : "play"} onClick={() => setHeld(held === null ? current : null)} aria-pressed={held !== null}>
            {held === null ? t("common.pause") : t("common.goOn")}
          </Button>
        </>
      }
    >
      <div className="px-3.5 pb-2">
        <GateStrip seconds={shown.seconds} />
      </div>
    </Panel>
  );
}

function Legend({ colour, text }: { colour: string; text: string }) {
  return (
    <span className="inline-flex items-center gap-1.5 text-cap whitespace-nowrap text-ink-2">
      <i className="size-2.5 rounded-bar" style={{ background: `var(--${colour})` }} />
      {text}
    </span>
  );
}
