/** How providers, engines and workers are. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { StateMark } from "@/components/icon";
import { Failed, Panel, Skeleton } from "@/components/panel";
import { useFormat } from "@/i18n";
import { providersQuery } from "@/lib/catalog";
import { type Range, reportQuery } from "@/lib/periods";
import { providerState } from "@/lib/provider-state";
import { useStatus } from "@/lib/status";

export function Health({ range }: { range: Range }) {
  const { t } = useTranslation();
  const format = useFormat();
  const providers = useQuery(providersQuery);
  const status = useStatus();
  const report = useQuery(reportQuery(range, "provider"));
  const rows = new Map((report.data?.rows ?? []).map((row) => [row.key, row]));
  const columns = "grid grid-cols-[12px_minmax(64px,auto)_minmax(0,1fr)_auto] items-center gap-2 px-3.5 h-[25px] text-ui max-sm:h-11";
  const workers = status.data?.workers.length ?? 0;
  const worst = ["failed", "slow", "serving", "off"];
  const listed = (providers.data ?? []).map((provider) => ({ provider, row: rows.get(provider.name), state: providerState(provider, rows.get(provider.name)) })).sort((a, b) => worst.indexOf(a.state) - worst.indexOf(b.state));
  return (
    <Panel
      title={t("overview.health")}
      sub={t(`range.${range}`)}
      right={
        <Link to="/providers/{-$name}" params={{ name: undefined }} className="text-cap">
          {t("overview.all")}
        </Link>
      }
    >
      <div className="pb-3">
        <div className="px-3.5 pb-0.5 text-right text-axis text-ink-3">{t("overview.failedShare")}</div>
        {providers.isError ? <Failed error={providers.error} again={() => void providers.refetch()} /> : null}
        {providers.isPending ? <Skeleton className="mx-3.5 h-24" /> : null}
        {listed.slice(0, 5).map(({ provider, row, state }) => (
          <Link key={provider.id} to="/providers/{-$name}" params={{ name: provider.name }} className={`${columns} text-ink hover:bg-sunk hover:no-underline`}>
            <StateMark state={state} label={t(`state.${state}`)} />
            <span className="truncate">{provider.name}</span>
            <span className="truncate text-cap text-ink-2">{t(`providers.state.${provider.enabled ? (provider.state as "ready") : "off"}`)}</span>
            <span className="text-cap text-ink-2">{row === undefined ? t("overview.notCalled") : format.percent(row.failed / Math.max(row.calls, 1))}</span>
          </Link>
        ))}
        {(status.data?.engines ?? []).slice(0, 3).map((engine) => (
          <div key={engine.model} className={columns}>
            <StateMark state={engine.state === "refused" ? "failed" : engine.state === "asleep" ? "off" : "serving"} />
            <span className="truncate">{engine.model}</span>
            <span className="truncate text-cap text-ink-2">{t(`system.engine.${engine.state}`)}</span>
            <span />
          </div>
        ))}
        {status.data === undefined ? null : (
          <div className={columns}>
            <StateMark state={workers === 0 ? "failed" : "serving"} />
            <span>{t("system.workers")}</span>
            <span className="text-cap text-ink-2">{t("system.workersServing", { count: workers })}</span>
            <span />
          </div>
        )}
      </div>
    </Panel>
  );
}
