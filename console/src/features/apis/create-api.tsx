/** Publishing an API in four steps: its model, its name and defaults, who may call it, and the whole plan before anything is made. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { TextField } from "@/components/field";
import { Icon } from "@/components/icon";
import { type Issued, Pass } from "@/components/pass";
import { toast } from "@/components/toast";
import { DefaultFields, type Faults, placeOf, TitleFields, useFaultWords } from "@/features/apis/api-form";
import { isModelName, NAME } from "@/features/apis/api-state";
import { ChooseKey } from "@/features/apis/choose-key";
import { ChooseModel } from "@/features/apis/choose-model";
import { defaultsOf, type FieldName } from "@/features/apis/defaults";
import { type Draft, draftedApi, lives } from "@/features/apis/draft";
import { carryOut, type Outcome, type StepState } from "@/features/apis/plan";
import { PlanList } from "@/features/apis/plan-list";
import { type Made, type StepName, stepsOf } from "@/features/apis/steps";
import { useFormat } from "@/i18n";
import { ApiError } from "@/lib/api/request";
import type { Api, Key } from "@/lib/api/types";
import { modelsQuery, projectsQuery, writableIn } from "@/lib/catalog";
import { keep } from "@/lib/preferences";
import { useMay } from "@/lib/rights";

const stages = ["model", "name", "key", "plan"] as const;
type Stage = (typeof stages)[number];
type WizardFaults = Faults & { label?: string; keyId?: string };

export function CreateApi({ apis, keys, onClose }: { apis: readonly Api[]; keys: readonly Key[] | undefined; onClose: (made?: string) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const say = useFaultWords();
  const mayKeys = useMay()("keys.write");
  const listed = useQuery(modelsQuery);
  const models = listed.data?.models ?? [];
  const projects = (useQuery(projectsQuery).data ?? []).filter(writableIn);
  const [draft, setDraft] = useState<Draft>(draftedApi);
  const [stage, setStage] = useState<Stage>("model");
  const [faults, setFaults] = useState<WizardFaults>({});
  const [states, setStates] = useState<Partial<Record<StepName, StepState>>>({});
  const [outcome, setOutcome] = useState<Outcome<StepName> | null>(null);
  const [running, setRunning] = useState(false);
  const [issued, setIssued] = useState<Issued | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const moved = useRef(false);
  const name = draft.name.trim();
  const at = stages.indexOf(stage);
  const project = projects.find((each) => each.name === draft.project) ?? projects.find((each) => each.name === "default") ?? projects[0];
  const wayIn = mayKeys ? draft.key : "none";
  const key = keys?.find((each) => each.id === draft.keyId);

  // Whoever goes on by keyboard stands at the beginning of what is new.
  useEffect(() => {
    if (moved.current) heading.current?.focus();
    moved.current = true;
  }, [stage]);

  function change(part: Partial<Draft>) {
    const next = { ...draft, ...part };
    setDraft(next);
    setFaults({});
    setOutcome(null);
    setStates({});
    keep("draft.api", JSON.stringify(next));
  }

  /** What is wrong with a stage; nothing where one may go on. */
  function faultsOf(of: Stage): WizardFaults {
    const found: WizardFaults = {};
    if (of === "model" && !models.some((model) => model.id === draft.target)) found.target = t("apis.needTarget");
    if (of === "name") {
      if (!NAME.test(name)) found.name = t("apis.badName");
      else if (apis.some((api) => api.name === name)) found.name = t("apis.nameTaken", { name });
      else if (isModelName(name, models.map((model) => model.id))) found.name = t("apis.nameIsModel", { name });
      for (const [field, text] of Object.entries(draft.defaults) as [FieldName, string][]) {
        const fault = say(field, text);
        if (fault !== undefined) found[field] = fault;
      }
    }
    if (of === "key" && wayIn === "new" && draft.label.trim() === "") found.label = t("keys.needName");
    if (of === "key" && wayIn === "existing" && key === undefined) found.keyId = t("apis.needKey");
    return found;
  }

  /** Goes to a stage, or to the first before it that is not yet right. */
  function go(to: number) {
    for (const before of stages.slice(0, to)) {
      const found = faultsOf(before);
      if (Object.keys(found).length > 0) {
        setFaults(found);
        return setStage(before);
      }
    }
    setFaults({});
    setStage(stages[to] ?? "plan");
  }

  async function create() {
    setRunning(true);
    setOutcome(null);
    setStates({});
    const made: Made = {};
    const body = { name, target: draft.target, title: draft.title.trim(), description: draft.description.trim(), enabled: true, defaults: defaultsOf(draft.defaults) };
    const steps = stepsOf({ body, wayIn, label: draft.label.trim(), project: project?.name ?? null, expiresInS: lives[draft.life], keyId: key?.id ?? null }, made);
    const told = await carryOut(steps, (step, state) => setStates((held) => ({ ...held, [step]: state })));
    setRunning(false);
    await Promise.all([client.invalidateQueries({ queryKey: ["apis"] }), client.invalidateQueries({ queryKey: ["keys"] })]);
    if (!told.ok) {
      setOutcome(told);
      const place = told.error instanceof ApiError && told.failed === "api" ? placeOf(told.error.fault.param) : null;
      if (place !== null && told.error instanceof ApiError) {
        setFaults({ [place]: told.error.message });
        setStage(place === "target" ? "model" : "name");
      }
      return;
    }
    keep("draft.api", null);
    if (made.key === undefined) {
      const warnings = made.warnings ?? [];
      toast(warnings.length === 0 ? t("apis.created", { name }) : warnings.join(" "), { failed: warnings.length > 0 });
      return onClose(name);
    }
    setIssued({
      title: t("apis.readyWithKey", { name }),
      plainKey: made.key.plain_key,
      revision: made.key.revision,
      warnings: [...(made.warnings ?? []), ...(made.key.warnings ?? [])],
      scope: made.key.models,
      limits: t("keys.noLimits"),
      expires: made.key.expires_at === null ? null : new Date(made.key.expires_at),
      trial: name,
    });
  }

  function next(event: SyntheticEvent) {
    event.preventDefault();
    if (running) return;
    if (stage === "plan") void create();
    else go(at + 1);
  }

  if (issued !== null) return <Pass issued={issued} onClose={() => onClose(name)} />;
  const leave = () => (running ? undefined : onClose());
  return (
    <Dialog open onClose={leave} title={t("apis.create")} width={640} focus="input">
      <Stages at={at} onGo={(to) => (running ? undefined : go(to))} />
      <form onSubmit={next} noValidate className="flex flex-col gap-3.5">
        <h3 ref={heading} tabIndex={-1} className="text-body font-semibold focus:outline-none">
          {t(`apis.ask.${stage}`)}
        </h3>
        {stage === "model" ? <ChooseModel models={listed} target={draft.target} error={faults.target} onChoose={(target) => change({ target })} /> : null}
        {stage === "name" ? (
          <>
            <TextField label={t("apis.name")} help={t("apis.nameHelp", { name: name === "" ? "assistant" : name })} value={draft.name} placeholder="assistant" error={faults.name} maxLength={63} autoComplete="off" spellCheck={false} onBlur={() => (name === "" || NAME.test(name) ? undefined : setFaults({ ...faults, name: t("apis.badName") }))} onChange={(event) => change({ name: event.target.value })} />
            <TitleFields values={draft} faults={faults} change={change} />
            <DefaultFields values={draft.defaults} faults={faults} change={(part) => change({ defaults: { ...draft.defaults, ...part } })} />
          </>
        ) : null}
        {stage === "key" ? <ChooseKey name={name} draft={draft} wayIn={wayIn} mayMake={mayKeys} keys={keys} projects={projects} project={project?.name ?? ""} faults={faults} change={change} /> : null}
        {stage === "plan" ? <PlanList draft={draft} name={name} wayIn={wayIn} label={wayIn === "existing" ? (key?.label ?? "") : draft.label.trim()} project={project?.name ?? ""} states={states} outcome={outcome} /> : null}
        <DialogFoot>
          {at === 0 ? (
            <Button onClick={leave}>{t("common.cancel")}</Button>
          ) : (
            <Button disabled={running} onClick={() => go(at - 1)}>
              {t("apis.back")}
            </Button>
          )}
          <Button kind="primary" type="submit" busy={running ? t("apis.creating") : false}>
            {stage === "plan" ? t("apis.createVerb") : t("apis.next")}
          </Button>
        </DialogFoot>
      </form>
      <p className="sr-only" role="status">
        {t("apis.stageOf", { at: format.exact(at + 1), of: format.exact(stages.length) })}
      </p>
    </Dialog>
  );
}

/** Where one stands. What lies behind can be opened again. */
function Stages({ at, onGo }: { at: number; onGo: (to: number) => void }) {
  const { t } = useTranslation();
  return (
    <ol className="mb-4 grid grid-cols-4 gap-1.5">
      {stages.map((stage, place) => {
        const state = place < at ? "done" : place === at ? "here" : "ahead";
        const look = { done: "border-ai text-ink-2 hover:text-ink", here: "border-ai font-semibold text-ink", ahead: "border-line text-ink-3" }[state];
        const mark = (
          <span className={`grid size-5 shrink-0 place-items-center rounded-full text-axis font-semibold ${state === "here" ? "bg-ai text-on-ai" : state === "done" ? "bg-ai-wash text-ai-strong" : "bg-sunk text-ink-3"}`}>
            {state === "done" ? <Icon name="check" size={12} /> : place + 1}
          </span>
        );
        const inner = (
          <>
            {mark}
            <span className="min-w-0 truncate">{t(`apis.stage.${stage}`)}</span>
          </>
        );
        return (
          <li key={stage} aria-current={state === "here" ? "step" : undefined} className={`min-w-0 border-t-2 pt-2 text-cap ${look}`}>
            {state === "done" ? (
              <button type="button" onClick={() => onGo(place)} className="flex max-w-full items-center gap-1.5 rounded-tag text-left max-sm:min-h-11">
                {inner}
              </button>
            ) : (
              <span className="flex items-center gap-1.5 max-sm:min-h-11">{inner}</span>
            )}
          </li>
        );
      })}
    </ol>
  );
}

