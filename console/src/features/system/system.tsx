/** Is the house sound? */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { type State, StateMark } from "@/components/icon";
import { Facts, Failed, Panel, Skeleton, Tag, Verdict } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import type { Status } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import type { Backup, Checks, Findings } from "@/lib/api/types";
import { useStatus } from "@/lib/status";

const LAG = 5;

/** What is not as it should be, worst first. */
export function troublesOf(status: Status, findings: Findings | undefined): ("workers" | "outage" | "lag" | "doctor")[] {
  const found: ("workers" | "outage" | "lag" | "doctor")[] = [];
  if (status.workers.length === 0) found.push("workers");
  if (status.outage != null) found.push("outage");
  if (status.journal_lag_s > LAG) found.push("lag");
  if (findings?.ok === false) found.push("doctor");
  return found;
}

export function System() {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const status = useStatus();
  const doctor = useQuery({ queryKey: ["doctor"], queryFn: () => request<Findings>("GET", "/api/doctor"), staleTime: 300_000 });
  const checking = useMutation({ mutationFn: () => request<Checks>("GET", "/api/check") });
  const backups = useQuery({ queryKey: ["backups"], queryFn: async () => (await request<{ backups: Backup[] }>("GET", "/api/backups", { query: { limit: 20 } })).backups });
  const backingUp = useMutation({
    mutationFn: () => request<Backup>("POST", "/api/backups", { body: {} }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["backups"] });
      toast(t("system.backedUp", { size: format.bytes(made.bytes), calls: format.count(made.calls), count: made.calls }));
    },
  });
  const reloading = useMutation({ mutationFn: () => request("POST", "/api/system/reload"), onSuccess: () => toast(t("system.reloaded")) });
  const told = status.data;
  const troubles = told === undefined ? [] : troublesOf(told, doctor.data);
  return (
    <Screen
      id="system"
      actions={
        <Button kind="primary" busy={doctor.isFetching ? t("system.running") : false} onClick={() => void doctor.refetch()}>
          {t("system.runDoctor")}
        </Button>
      }
    >
      {told === undefined ? status.isError ? <Failed error={status.error} again={() => void status.refetch()} /> : <Skeleton className="h-7 w-80" /> : <Verdict evidence={t("system.evidence", { version: told.version, started: told.started_at === null ? "–" : format.relative(new Date(told.started_at)) })}>{troubles[0] === undefined ? t("system.sound") : t(`system.trouble.${troubles[0]}`)}</Verdict>}
      {told === undefined ? null : (
        <div className="mt-3">
          <Facts
            facts={[
              { name: t("system.workers"), value: told.workers.length, unit: t("state.serving") },
              { name: t("system.revision"), value: format.exact(told.revision) },
              { name: t("system.lag"), ...format.durationParts(told.journal_lag_s * 1000) },
              { name: t("system.database"), value: told.database },
            ]}
          />
        </div>
      )}
      {/* Shown whole: panels that fill one after the other would push what one reads. */}
      {told === undefined || doctor.isPending || backups.isPending ? (
        <Skeleton className="mt-3 h-[420px]" />
      ) : (
      <div className="mt-3 grid gap-3 md:grid-cols-[minmax(0,1.4fr)_minmax(0,1fr)]">
        <div className="flex flex-col gap-3">
          <Panel title={t("system.doctor")} sub={doctor.dataUpdatedAt === 0 ? "" : t("system.asOf", { time: format.clock(new Date(doctor.dataUpdatedAt)) })} right={<code className="font-mono text-cap text-ink-3">sekisho doctor</code>}>
            {doctor.isPending ? <Skeleton className="mx-3.5 mb-3 h-24" /> : doctor.isError ? <Failed error={doctor.error} again={() => void doctor.refetch()} /> : <FindingList findings={doctor.data} />}
          </Panel>
          <Panel
            title={t("system.stored")}
            sub={t("system.storedWhat")}
            right={
              <Button size="small" busy={checking.isPending ? t("system.running") : false} onClick={() => checking.mutate()}>
                {t("system.check")}
              </Button>
            }
          >
            {checking.isError ? <Failed error={checking.error} /> : null}
            {checking.data === undefined ? null : (
              <ul className="pb-2">
                {checking.data.checks.map((check) => (
                  <Line key={check.name} state={check.ok ? "serving" : "failed"} name={check.name}>
                    {check.detail}
                  </Line>
                ))}
              </ul>
            )}
          </Panel>
          <Panel
            title={t("system.backups")}
            right={
              <Button size="small" busy={backingUp.isPending ? t("system.backingUp") : false} onClick={() => backingUp.mutate()}>
                {t("system.backUp")}
              </Button>
            }
          >
            {backingUp.isError ? <Failed error={backingUp.error} /> : null}
            {backups.isError ? (
              <Failed error={backups.error} again={() => void backups.refetch()} />
            ) : backups.isPending ? (
              <Skeleton className="mx-3.5 mb-3 h-16" />
            ) : backups.data.length === 0 ? (
              <p className="px-3.5 pb-3 text-ui text-ink-3">{t("system.noBackups")}</p>
            ) : (
              <ul className="pb-2">
                {backups.data.map((backup) => (
                  <li key={backup.path} className="flex min-h-8 flex-wrap items-center gap-x-4 border-t border-line px-3.5 py-1 text-ui">
                    <span className="font-mono">{format.listTime(new Date(backup.created_at), new Date(0))}</span>
                    <span className="text-ink-2">{format.bytes(backup.bytes)}</span>
                    <span className="text-ink-3">{t("overview.callsOf", { count: backup.calls, n: format.count(backup.calls) })}</span>
                    <code className="ml-auto max-w-[50%] truncate font-mono text-cap text-ink-3" title={backup.path}>
                      {backup.path.split("/").at(-1)}
                    </code>
                    <CopyButton text={backup.path} label={t("system.copyPath")} />
                  </li>
                ))}
              </ul>
            )}
          </Panel>
        </div>
        <div className="flex flex-col gap-3">
          <Panel title={t("system.processes")}>
            {told === undefined ? (
              <Skeleton className="mx-3.5 mb-3 h-24" />
            ) : (
              <ul className="pb-2">
                <Line state={told.supervisor === null ? "off" : "serving"} name={t("system.supervisor")}>
                  {told.supervisor === null ? "–" : `pid ${told.supervisor}`}
                </Line>
                <Line state={told.node === null ? "off" : "serving"} name={t("system.node")}>
                  {told.node === null ? "–" : `pid ${told.node}`}
                </Line>
                {told.workers.map((pid, place) => (
                  <Line key={pid} state="serving" name={t("system.worker", { n: place + 1 })}>
                    {`pid ${pid}`}
                  </Line>
                ))}
                {told.engines.map((engine) => (
                  <Line key={engine.model} state={engine.state === "refused" ? "failed" : engine.state === "asleep" ? "off" : "serving"} name={engine.model}>
                    {t(`system.engine.${engine.state}`)}
                    {engine.falls > 0 ? ` · ${t("system.falls", { count: engine.falls })}` : ""}
                    {engine.last_error === null ? "" : ` · ${engine.last_error}`}
                  </Line>
                ))}
              </ul>
            )}
          </Panel>
          <Panel title={t("system.where")}>
            {told === undefined ? null : (
              <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 px-3.5 pb-3 text-ui/6">
                <dt className="text-ink-3">{t("system.gatewayPort")}</dt>
                <dd>{told.ports.gateway}</dd>
                <dt className="text-ink-3">{t("system.consolePort")}</dt>
                <dd>{told.ports.console}</dd>
                <dt className="text-ink-3">{t("system.home")}</dt>
                <dd className="font-mono break-all">{told.home}</dd>
                <dt className="text-ink-3">{t("system.setAside")}</dt>
                <dd>{told.journal_set_aside}</dd>
              </dl>
            )}
          </Panel>
          <Panel title={t("system.reloadTitle")}>
            <p className="px-3.5 text-ui text-ink-2">{t("system.reloadWhat")}</p>
            {reloading.isError ? <Failed error={reloading.error} /> : null}
            <div className="flex items-center gap-3 px-3.5 py-3">
              <Button busy={reloading.isPending ? t("system.reloading") : false} onClick={() => reloading.mutate()}>
                {t("system.reload")}
              </Button>
              <code className="font-mono text-cap text-ink-3">sekisho reload</code>
            </div>
          </Panel>
        </div>
      </div>
      )}
    </Screen>
  );
}

function Line({ state, name, children }: { state: State; name: string; children: ReactNode }) {
  return (
    <li className="flex min-h-8 items-center gap-2.5 border-t border-line px-3.5 py-1 text-ui">
      <StateMark state={state} />
      <span className="min-w-[110px]">{name}</span>
      <span className="min-w-0 flex-1 text-right text-cap text-ink-2 [overflow-wrap:anywhere]">{children}</span>
    </li>
  );
}

function FindingList({ findings }: { findings: Findings }) {
  const { t } = useTranslation();
  if (findings.findings.length === 0)
    return (
      <p className="flex items-center gap-2 px-3.5 pb-3 text-ui">
        <StateMark state="serving" />
        {t("system.noFindings")}
      </p>
    );
  const states: Record<string, State> = { error: "failed", warning: "slow", hint: "off" };
  return (
    <ul>
      {findings.findings.map((finding, place) => (
        <li key={place} className="border-t border-line px-3.5 py-2 text-ui">
          <div className="flex items-baseline gap-2.5">
            <StateMark state={states[finding.level] ?? "off"} />
            <span className="min-w-0 flex-1">{finding.message}</span>
            <Tag tone={finding.level === "error" ? "failed" : finding.level === "warning" ? "slow" : "plain"}>{t(`system.level.${finding.level as "hint"}`)}</Tag>
          </div>
          {finding.remedy === "" ? null : (
            <div className="mt-1 ml-5 flex items-start gap-1">
              <p className="min-w-0 flex-1 text-cap/[18px] text-ink-2">{finding.remedy}</p>
              <CopyButton text={finding.remedy} label={t("system.copyRemedy")} />
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}
