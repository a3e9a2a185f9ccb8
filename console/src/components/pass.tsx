/** A key is a travel pass: secret, scope, limits and expiry on one slip. Shown once; tried out before one leaves. */
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CodeTabs, useCopied } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Icon, StateMark } from "@/components/icon";
import { useFormat } from "@/i18n";
import { type Answered, chat, gatewayBase, GatewayError } from "@/lib/gateway";
import { snippets } from "@/lib/snippets";
import { useStatus } from "@/lib/status";

export interface Issued {
  title: string;
  plainKey: string;
  revision: number;
  warnings: string[];
  scope: string[] | null;
  limits: string;
  expires: Date | null;
  /** Until when the secret before still works. */
  overlapUntil?: Date | null;
  /** The API that it was made for: the snippets name it, and the trial calls it. */
  trial?: string;
}

/** A model that this key may call, for the snippets and the trial. */
function modelFor(scope: string[] | null): string {
  const first = scope?.find((each) => !each.endsWith("/*"));
  return scope === null ? "sandbox/echo" : (first ?? "sandbox/echo");
}

export function Pass({ issued, onClose }: { issued: Issued; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const port = useStatus().data?.ports.gateway;
  const base = gatewayBase(port);
  const [copied, copy] = useCopied();
  const [stored, setStored] = useState(false);
  const [asked, setAsked] = useState(false);
  const [trial, setTrial] = useState<"running" | Answered | GatewayError | null>(null);
  const tried = issued.trial ?? "sandbox/echo";
  const callable = issued.trial !== undefined || issued.scope === null || issued.scope.some((each) => each.startsWith("sandbox/"));

  function leave() {
    if (stored || asked) onClose();
    else setAsked(true);
  }

  async function tryOut() {
    setTrial("running");
    try {
      setTrial(await chat({ key: issued.plainKey, body: { model: tried, messages: [{ role: "user", content: "ping" }] } }));
    } catch (error) {
      setTrial(error instanceof GatewayError ? error : new GatewayError(0, "unreachable", String(error), ""));
    }
  }

  return (
    <Dialog open onClose={leave} title={issued.title} subtitle={issued.warnings.length === 0 ? t("keys.worksEverywhere", { revision: format.exact(issued.revision) }) : issued.warnings.join(" ")} focus="[data-copy]">
      <div className="rounded-panel border border-line-strong">
        <div className="flex flex-wrap items-center gap-2.5 rounded-t-panel border-b border-dashed border-line-strong bg-ai-wash px-4 py-3.5">
          <code data-secret="" className="min-w-0 flex-1 basis-60 font-mono text-body/5 font-medium break-all">
            {issued.plainKey}
          </code>
          <Button
            kind="primary"
            icon={copied ? "check" : "copy"}
            data-copy=""
            onClick={() => {
              copy(issued.plainKey);
              setStored(true);
            }}
          >
            {copied ? t("common.copied") : t("keys.copyKey")}
          </Button>
        </div>
        <dl className="grid grid-cols-3 gap-3 px-4 py-2.5">
          {[
            [t("keys.mayCall"), issued.scope === null ? t("keys.allModels") : issued.scope.join(", ")],
            [t("keys.limits"), issued.limits],
            [t("keys.expires"), issued.expires === null ? t("keys.never") : format.date(issued.expires)],
          ].map(([name, value]) => (
            <div key={name} className="min-w-0">
              <dt className="text-cap text-ink-3">{name}</dt>
              <dd className="text-ui">{value}</dd>
            </div>
          ))}
        </dl>
      </div>
      <p className="mt-2.5 flex items-baseline gap-2 text-ui text-ink-2">
        <StateMark state="failed" />
        <span>
          <Trans i18nKey="keys.shownOnce" components={{ b: <b className="text-ink" /> }} />
          {issued.overlapUntil == null ? null : ` ${t("keys.overlapUntil", { time: format.full(issued.overlapUntil) })}`}
        </span>
      </p>
      <div className="mt-3.5">
        <CodeTabs codes={snippets(base, { model: issued.trial ?? modelFor(issued.scope), messages: [{ role: "user", content: "Hello" }] })} />
      </div>
      {trial === null ? null : trial === "running" ? (
        <p role="status" className="mt-2.5 rounded-panel bg-sunk px-3 py-2 text-ui text-ink-2">
          {t(issued.trial === undefined ? "keys.trying" : "apis.waiting")}
        </p>
      ) : trial instanceof GatewayError ? (
        <p role="alert" className="mt-2.5 flex items-baseline gap-2 rounded-panel bg-shu-wash px-3 py-2 text-ui text-shu">
          <StateMark state="failed" />
          {trial.status === 0 ? t("playground.unreachable", { base: location.origin }) : `${trial.message} (${trial.status})`}
        </p>
      ) : (
        <p role="status" className="mt-2.5 flex flex-wrap items-center gap-2 rounded-panel bg-roku-wash px-3 py-2 text-ui text-roku">
          <Icon name="check" />
          <span className="flex-1">
            <b>{t("keys.passed")}</b> {issued.trial === undefined ? t("keys.cameBack", { time: format.duration(trial.totalMs) }) : t("apis.cameBack", { name: tried, time: format.duration(trial.totalMs) })}
          </span>
          <Link to="/calls/{-$callId}" params={{ callId: trial.requestId }}>
            {t("keys.seeCall")}
          </Link>
        </p>
      )}
      {asked && !stored ? (
        <p role="alert" className="mt-2.5 text-ui text-shu">
          ▲ {t("keys.notCopied")}
        </p>
      ) : null}
      <DialogFoot>
        {callable ? <Button busy={trial === "running" ? t("keys.tryingShort") : false} onClick={() => void tryOut()}>{trial === null ? t("keys.tryIt") : t("keys.tryAgain")}</Button> : null}
        <Button onClick={leave}>{asked && !stored ? t("keys.closeAnyway") : t("keys.haveStored")}</Button>
      </DialogFoot>
    </Dialog>
  );
}
