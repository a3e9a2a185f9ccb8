/** The fourth step: all that will be made, in order, with how far it got; and after a failure, what was taken back. */
import { useTranslation } from "react-i18next";

import { StateMark } from "@/components/icon";
import { Icon } from "@/components/icon";
import { useFaultText } from "@/components/panel";
import { DefaultList } from "@/features/apis/default-list";
import { defaultsOf } from "@/features/apis/defaults";
import type { Draft, WayIn } from "@/features/apis/draft";
import type { Outcome, StepState } from "@/features/apis/plan";
import type { StepName } from "@/features/apis/steps";
import { ApiError } from "@/lib/api/request";
import { gatewayBase } from "@/lib/gateway";
import { useStatus } from "@/lib/status";

interface Props {
  draft: Draft;
  name: string;
  wayIn: WayIn;
  /** The key's own name. */
  label: string;
  project: string;
  states: Partial<Record<StepName, StepState>>;
  outcome: Outcome<StepName> | null;
}

function Mark({ state }: { state: StepState }) {
  if (state === "done") return <Icon name="check" />;
  if (state === "running" || state === "undoing") return <span aria-hidden="true" className="size-3 rounded-full border-2 border-ai border-t-transparent motion-safe:animate-spin" />;
  return <StateMark state={state === "failed" || state === "left" ? "failed" : "off"} />;
}

export function PlanList({ draft, name, wayIn, label, project, states, outcome }: Props) {
  const { t } = useTranslation();
  const say = useFaultText();
  const base = `${gatewayBase(useStatus().data?.ports.gateway)}/v1`;
  const defaults = defaultsOf(draft.defaults);
  const steps: { name: StepName; words: string; what: string }[] = [{ name: "api", words: t("apis.planApi", { name }), what: t("apis.planApiWhat", { name, target: draft.target }) }];
  if (wayIn === "new") steps.push({ name: "key", words: t("apis.planNewKey", { label }), what: t("apis.planNewKeyWhat", { name, project, life: t(`keys.life.${draft.life}`) }) });
  if (wayIn === "existing") steps.push({ name: "key", words: t("apis.planOldKey", { label }), what: t("apis.planOldKeyWhat", { name }) });
  const failed = outcome !== null && !outcome.ok ? outcome : null;
  return (
    <>
      <ol className="flex flex-col rounded-panel border border-line">
        {steps.map((step, place) => {
          const state = states[step.name] ?? "waiting";
          return (
            <li key={step.name} data-step={step.name} data-state={state} className="flex gap-3 border-b border-line px-3.5 py-2.5 last:border-0">
              <span className="grid h-5 w-4 shrink-0 place-items-center text-cap text-ink-3">{state === "waiting" ? place + 1 : <Mark state={state} />}</span>
              <span className="min-w-0 flex-1">
                <span className="block text-ui font-semibold [overflow-wrap:anywhere]">{step.words}</span>
                <span className="block text-cap text-ink-2 [overflow-wrap:anywhere]">{step.what}</span>
              </span>
              {state === "waiting" ? null : <span className={`text-cap ${state === "failed" || state === "left" ? "text-shu" : "text-ink-3"}`}>{t(`apis.stepState.${state}`)}</span>}
            </li>
          );
        })}
      </ol>
      {failed === null ? null : (
        <div role="alert" className="flex items-baseline gap-2 rounded-panel bg-shu-wash px-3 py-2.5 text-ui text-shu">
          <StateMark state="failed" />
          <span className="min-w-0">
            <b>{t(`apis.stepFailed.${failed.failed}`)}</b> {say(failed.error)}
            <span className="mt-0.5 block text-ink">{failed.left.length > 0 ? failed.left.map((each) => t(`apis.stepLeft.${each}`, { name, label })).join(" ") : failed.undone.includes("api") && failed.failed !== "api" ? t("apis.tookBack", { name }) : t("apis.nothingLeft")}</span>
            {failed.error instanceof ApiError && failed.error.fault.request_id !== "" ? <span className="block font-mono text-cap text-ink-3">{failed.error.fault.request_id}</span> : null}
          </span>
        </div>
      )}
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-ui">
        <dt className="text-ink-3">{t("apis.baseUrl")}</dt>
        <dd className="font-mono [overflow-wrap:anywhere]">{base}</dd>
        <dt className="text-ink-3">{t("word.model")}</dt>
        <dd className="font-mono [overflow-wrap:anywhere]">{name}</dd>
        {draft.title.trim() === "" ? null : (
          <>
            <dt className="text-ink-3">{t("apis.title")}</dt>
            <dd>{draft.title.trim()}</dd>
          </>
        )}
        <dt className="text-ink-3">{t("apis.defaults")}</dt>
        <dd>
          <DefaultList defaults={defaults} />
        </dd>
      </dl>
    </>
  );
}
