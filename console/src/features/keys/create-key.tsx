/** The form for a new key; then its pass. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { LimitFields, limitNames, limitOf, type Limits, ScopeField, scopeOf } from "@/features/keys/fields";
import { Pass } from "@/components/pass";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { KeyCreated } from "@/lib/api/types";
import { projectsQuery, writableIn } from "@/lib/catalog";
import { keep, kept } from "@/lib/preferences";

const DAY = 86_400;
const lives = { never: null, day: DAY, week: 7 * DAY, month: 30 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;
type Life = keyof typeof lives;

interface Draft extends Limits {
  label: string;
  project: string;
  models: string;
  life: Life;
}

const empty: Draft = { label: "", project: "", models: "", rpm: "", tpm: "", concurrency: "", life: "never" };

function drafted(): Draft {
  try {
    return { ...empty, ...(JSON.parse(kept("draft.key") ?? "{}") as Partial<Draft>) };
  } catch {
    return empty;
  }
}

export function CreateKeyDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [draft, setDraft] = useState(drafted);
  const projects = (useQuery(projectsQuery).data ?? []).filter(writableIn);
  const project = projects.find((each) => each.name === draft.project) ?? projects.find((each) => each.name === "default") ?? projects[0];
  const [faults, setFaults] = useState<Partial<Record<keyof Draft, string>>>({});
  const attempt = useRef(crypto.randomUUID());

  function change(part: Partial<Draft>) {
    const next = { ...draft, ...part };
    setDraft(next);
    setFaults((held) => Object.fromEntries(Object.entries(held).filter(([name]) => !(name in part))));
    keep("draft.key", JSON.stringify(next));
  }

  const creating = useMutation({
    mutationFn: () => {
      const number = (text: string) => limitOf(text) as number | null;
      return request<KeyCreated>("POST", "/api/keys", {
        idempotencyKey: attempt.current,
        body: { label: draft.label.trim(), project: project?.name ?? null, models: scopeOf(draft.models), rpm: number(draft.rpm), tpm: number(draft.tpm), concurrency: number(draft.concurrency), expires_in_s: lives[draft.life] },
      });
    },
    onSuccess: () => {
      keep("draft.key", null);
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
    onError: (error) => {
      attempt.current = crypto.randomUUID();
      if (error instanceof ApiError && error.fault.param !== null && error.fault.param in draft) setFaults({ [error.fault.param]: error.fault.message });
    },
  });

  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: Partial<Record<keyof Draft, string>> = {};
    if (draft.label.trim() === "") found.label = t("keys.needName");
    for (const name of limitNames) if (limitOf(draft[name]) === "bad") found[name] = t("keys.needNumber");
    setFaults(found);
    if (Object.keys(found).length === 0) creating.mutate();
  }

  if (creating.data !== undefined) {
    const made = creating.data;
    const limits = [made.rpm === null ? null : t("keys.perMinute", { n: format.count(made.rpm) }), made.tpm === null ? null : t("keys.tokensPerMinute", { n: format.count(made.tpm) }), made.concurrency === null ? null : t("keys.atOnce", { n: made.concurrency })].filter(Boolean).join(", ");
    return (
      <Pass
        onClose={onClose}
        issued={{
          title: t("keys.ready", { label: made.label }),
          plainKey: made.plain_key,
          revision: made.revision,
          warnings: made.warnings ?? [],
          scope: made.models,
          limits: limits === "" ? t("keys.noLimits") : limits,
          expires: made.expires_at === null ? null : new Date(made.expires_at),
        }}
      />
    );
  }
  const placed = creating.error instanceof ApiError && creating.error.fault.param !== null && creating.error.fault.param in draft;
  return (
    <Dialog open onClose={onClose} title={t("keys.create")} width={520}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {creating.isError && !placed ? <Failed error={creating.error} /> : null}
        <TextField label={t("keys.name")} help={t("keys.nameHelp")} value={draft.label} error={faults.label} maxLength={200} autoComplete="off" onChange={(event) => change({ label: event.target.value })} />
        <SelectField label={t("keys.project")} value={project?.name ?? ""} error={faults.project} onChange={(event) => change({ project: event.target.value })} options={projects.map((each) => ({ value: each.name, label: each.title === each.name ? each.name : `${each.title} (${each.name})` }))} />
        <ScopeField value={draft.models} error={faults.models} onChange={(models) => change({ models })} />
        <LimitFields values={draft} faults={faults} onChange={change} />
        <SelectField label={t("keys.expires")} value={draft.life} onChange={(event) => change({ life: event.target.value as Life })} options={(Object.keys(lives) as Life[]).map((value) => ({ value, label: t(`keys.life.${value}`) }))} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={creating.isPending ? t("keys.creating") : false}>
            {t("keys.create")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
