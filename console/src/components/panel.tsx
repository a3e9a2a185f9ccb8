/** The grounds on which content stands, and its states: empty, waiting, failed. */
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { StateMark } from "@/components/icon";
import { ApiError } from "@/lib/api/request";

export function Panel({ title, sub, right, children, className = "" }: { title?: ReactNode; sub?: ReactNode; right?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`min-w-0 rounded-panel border border-line bg-surface ${className}`}>
      {title === undefined ? null : (
        <div className="flex min-h-10 flex-wrap items-center gap-x-2.5 px-3.5 py-[9px]">
          <h2 className="text-ui font-semibold">{title}</h2>
          {sub === undefined ? null : <span className="text-cap text-ink-3">{sub}</span>}
          {right === undefined ? null : <div className="ml-auto flex items-center gap-2">{right}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

/** The one sentence that answers the screen's question, and its evidence. */
export function Verdict({ children, evidence }: { children: ReactNode; evidence?: ReactNode }) {
  return (
    <div className="flex flex-wrap items-baseline gap-x-3.5 gap-y-0.5">
      <h2 className="text-[18px]/[26px] font-semibold sm:text-verdict">{children}</h2>
      {evidence === undefined ? null : <p className="text-body text-ink-2">{evidence}</p>}
    </div>
  );
}

/** Nothing for the first 100 ms, then the final shape in grey. */
export function Skeleton({ className = "" }: { className?: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 100);
    return () => window.clearTimeout(timer);
  }, []);
  return <div aria-hidden="true" className={`rounded-tag ${late ? "bg-sunk motion-safe:animate-pulse" : ""} ${className}`} />;
}

export function Rows({ count = 6 }: { count?: number }) {
  return (
    <div role="status" aria-busy="true" className="flex flex-col gap-3 p-4">
      {Array.from({ length: count }, (_, place) => (
        <Skeleton key={place} className="h-5" />
      ))}
    </div>
  );
}

export function Empty({ text, act, command }: { text: ReactNode; act?: ReactNode; command?: string }) {
  return (
    <div className="mx-auto flex max-w-[640px] flex-col items-center gap-3 px-4 py-16 text-center">
      <p className="text-body text-ink-2">{text}</p>
      {act}
      {command === undefined ? null : (
        <div className="flex max-w-full items-center gap-1 rounded-control bg-sunk py-0.5 pr-1 pl-3 text-left">
          <code className="overflow-x-auto font-mono text-cap whitespace-pre text-ink-2">{command}</code>
          <CopyButton text={command} />
        </div>
      )}
    </div>
  );
}

export function useFaultText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
    if (error.status === 0) return t("error.unreachable");
    return error.fault.message === "" ? t("error.unknown") : error.fault.message;
  };
}

/** A failure in the panel concerned; the others go on. */
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const { t } = useTranslation();
  const say = useFaultText();
  const id = error instanceof ApiError ? error.fault.request_id : "";
  return (
    <div role="alert" className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3.5 py-3 text-ui">
      <StateMark state="failed" />
      <span className="min-w-0 flex-1">
        {say(error)}
        {id === "" ? null : <span className="ml-2 font-mono text-cap text-ink-3">{id}</span>}
      </span>
      {again === undefined ? null : (
        <Button size="small" onClick={again}>
          {t("common.tryAgain")}
        </Button>
      )}
    </div>
  );
}

export function Tag({ tone = "plain", children }: { tone?: "plain" | "failed" | "slow" | "fine" | "ai"; children: ReactNode }) {
  const tones = { plain: "bg-sunk text-ink-2", failed: "bg-shu-wash text-shu", slow: "bg-odo-wash text-odo", fine: "bg-roku-wash text-roku", ai: "bg-ai-wash text-ai-strong" };
  return <span className={`inline-flex h-5 max-w-full items-center gap-1.5 truncate rounded-tag px-[7px] text-cap/[20px] whitespace-nowrap ${tones[tone]}`}>{children}</span>;
}

/** Facts in a row, as a passport shows them. */
export function Facts({ facts }: { facts: { name: ReactNode; value: ReactNode; unit?: ReactNode }[] }) {
  return (
    <dl className="grid grid-cols-2 rounded-panel border border-line bg-surface sm:grid-cols-4">
      {facts.map((fact, place) => (
        <div key={place} className="min-w-0 border-line px-3 py-[7px] max-sm:odd:border-r max-sm:[&:nth-child(n+3)]:border-t sm:border-l sm:first:border-l-0">
          <dt className="text-cap text-ink-3">{fact.name}</dt>
          <dd className="truncate text-[16px]/[22px] font-semibold">
            {fact.value}
            {fact.unit === undefined || fact.unit === "" ? null : <small className="ml-1 text-cap font-normal text-ink-2">{fact.unit}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
