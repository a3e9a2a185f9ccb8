/** The third step: the key that may call the API. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { SelectField, TextField } from "@/components/field";
import { type Draft, type Life, lives, type WayIn } from "@/features/apis/draft";
import type { Key, Project } from "@/lib/api/types";

interface Props {
  name: string;
  draft: Draft;
  wayIn: WayIn;
  /** Whether whoever is here may make and change keys. */
  mayMake: boolean;
  keys: readonly Key[] | undefined;
  projects: readonly Project[];
  project: string;
  faults: { label?: string; keyId?: string };
  change: (part: Partial<Draft>) => void;
}

export function ChooseKey({ name, draft, wayIn, mayMake, keys, projects, project, faults, change }: Props) {
  const { t } = useTranslation();
  const bounded = (keys ?? []).filter((key) => key.models !== null);
  const free = (keys ?? []).length - bounded.length;
  const way = (value: WayIn, words: string, help: string, more?: ReactNode, disabled = false) => (
    <div className={`rounded-panel border ${wayIn === value ? "border-ai bg-ai-wash" : "border-line"}`}>
      <label className={`grid grid-cols-[16px_minmax(0,1fr)] gap-x-2.5 rounded-panel px-3 py-2.5 has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-2 has-[:focus-visible]:outline-focus ${disabled ? "cursor-not-allowed opacity-55" : "cursor-pointer"}`}>
        <input type="radio" name="way-in" value={value} checked={wayIn === value} disabled={disabled} onChange={() => change({ key: value })} className="mt-0.5 size-4 shrink-0 accent-ai outline-none" />
        <span className="text-ui font-semibold">{words}</span>
        <span className="col-start-2 text-cap text-ink-2">{help}</span>
      </label>
      {wayIn === value && more !== undefined ? <div className="px-3 pb-3 sm:pl-[38px]">{more}</div> : null}
    </div>
  );
  return (
    <div role="radiogroup" aria-label={t("apis.ask.key")} className="flex flex-col gap-2">
      {way(
        "new",
        t("apis.wayNew"),
        t("apis.wayNewWhat", { name }),
        <div className="grid gap-3 sm:grid-cols-2">
          <div className="sm:col-span-2">
            <TextField label={t("keys.name")} help={t("keys.nameHelp")} value={draft.label} error={faults.label} maxLength={200} autoComplete="off" onChange={(event) => change({ label: event.target.value })} />
          </div>
          <SelectField label={t("keys.project")} value={project} onChange={(event) => change({ project: event.target.value })} options={projects.map((each) => ({ value: each.name, label: each.title === each.name ? each.name : `${each.title} (${each.name})` }))} />
          <SelectField label={t("keys.expires")} value={draft.life} onChange={(event) => change({ life: event.target.value as Life })} options={(Object.keys(lives) as Life[]).map((value) => ({ value, label: t(`keys.life.${value}`) }))} />
        </div>,
        !mayMake,
      )}
      {way(
        "existing",
        t("apis.wayExisting"),
        bounded.length === 0 ? t("apis.noBounded") : t("apis.wayExistingWhat", { name }),
        <SelectField
          label={t("word.key")}
          value={draft.keyId}
          error={faults.keyId}
          onChange={(event) => change({ keyId: event.target.value })}
          options={[{ value: "", label: t("apis.chooseKey") }, ...bounded.map((key) => ({ value: key.id, label: `${key.label} (${key.project}): ${(key.models ?? []).join(", ")}` }))]}
        />,
        !mayMake || bounded.length === 0,
      )}
      {way("none", t("apis.wayNone"), free === 0 ? t("apis.wayNoneNobody") : t("apis.wayNoneWhat", { count: free }))}
    </div>
  );
}
