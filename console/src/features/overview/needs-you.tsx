/** Directly beneath the verdict: each line is what happened, what was done about it, and one link that mends it. */
import { Link } from "@tanstack/react-router";
import { Trans, useTranslation } from "react-i18next";

import { StateMark } from "@/components/icon";
import type { Need } from "@/features/overview/needs";
import { useFormat } from "@/i18n";

const button =
  "inline-flex h-[26px] shrink-0 items-center rounded-[5px] border border-line-strong bg-surface px-[9px] text-cap font-medium text-ink hover:bg-sunk hover:no-underline max-sm:h-11 max-sm:border-0 max-sm:bg-transparent max-sm:pl-5 max-sm:text-body max-sm:text-ai [:lang(ja)_&]:font-normal";

function Mend({ need }: { need: Need }) {
  const { t } = useTranslation();
  switch (need.kind) {
    case "provider":
    case "credential":
      return (
        <Link to="/providers/{-$name}" params={{ name: need.name }} className={button}>
          {t(need.kind === "credential" ? "need.replaceCredential" : "need.look")}
        </Link>
      );
    case "expiring":
      return (
        <Link to="/keys/{-$keyId}" params={{ keyId: need.id }} className={button}>
          {t("keys.rotate")}
        </Link>
      );
    case "unpriced":
      return (
        <Link to="/models" search={{ show: "unpriced" }} className={button}>
          {t("models.setRate")}
        </Link>
      );
    default:
      return (
        <Link to="/system" className={button}>
          {t("need.openSystem")}
        </Link>
      );
  }
}

function Line({ need }: { need: Need }) {
  const { t } = useTranslation();
  const format = useFormat();
  const bold = { b: <b /> };
  switch (need.kind) {
    case "provider":
      return (
        <>
          <Trans i18nKey="need.provider" values={{ name: need.name }} components={bold} /> <i>{t("need.providerDid")}</i>
        </>
      );
    case "credential":
      return (
        <>
          <Trans i18nKey="need.credential" values={{ name: need.name, last4: need.last4 }} components={bold} /> <i>{t("need.credentialDid")}</i>
        </>
      );
    case "engine":
      return (
        <>
          <Trans i18nKey="need.engine" values={{ model: need.model }} components={bold} /> <i>{need.error}</i>
        </>
      );
    case "outage":
      return (
        <>
          {t("need.outage")} <i>{t("need.outageDid")}</i>
        </>
      );
    case "workers":
      return (
        <>
          {t("need.workers")} <i>{t("need.workersDid")}</i>
        </>
      );
    case "lag":
      return (
        <>
          {t("need.lag", { time: format.duration(need.seconds * 1000) })} <i>{t("need.lagDid")}</i>
        </>
      );
    case "doctor":
      return <>{need.message}</>;
    case "expiring":
      return (
        <>
          <Trans i18nKey="need.expiring" values={{ label: need.label, when: format.relative(need.at) }} components={bold} /> <i>{t("need.expiringDid")}</i>
        </>
      );
    case "unpriced":
      return (
        <>
          {t("need.unpriced", { count: need.calls, calls: format.count(need.calls) })} <i>{t("need.unpricedDid")}</i>
        </>
      );
  }
}

export function NeedsYou({ needs }: { needs: Need[] }) {
  const { t } = useTranslation();
  return (
    <ul aria-label={t("overview.needsYou")} className="mt-2.5 rounded-panel border border-line bg-surface">
      {needs.slice(0, 6).map((need, place) => (
        <li key={place} className="flex min-h-10 flex-wrap items-center gap-x-2.5 border-line py-1.5 pr-2 pl-3 not-first:border-t">
          <StateMark state={need.level} label={t(need.level === "failed" ? "state.failed" : "state.slow")} />
          <p className="min-w-0 flex-1 text-body/5 max-sm:basis-[calc(100%-30px)] [&_i]:ml-1 [&_i]:text-ink-3 [&_i]:not-italic max-sm:[&_i]:ml-0 max-sm:[&_i]:block">
            <Line need={need} />
          </p>
          <Mend need={need} />
        </li>
      ))}
      {needs.length > 6 ? (
        <li className="border-t border-line px-3 py-2 text-cap text-ink-2">{t("overview.moreNeeds", { count: needs.length - 6 })}</li>
      ) : null}
    </ul>
  );
}
