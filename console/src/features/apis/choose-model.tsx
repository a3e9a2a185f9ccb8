/** The first step: one model of those that are served. */
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { TextField } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Failed, Rows, Tag } from "@/components/panel";
import { useFormat } from "@/i18n";
import type { ModelPage } from "@/lib/api/types";

/** More than one reads through; the others are found by typing. */
const SHOWN = 100;

export function ChooseModel({ models, target, error, onChoose }: { models: UseQueryResult<ModelPage>; target: string; error: string | undefined; onChoose: (target: string) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [find, setFind] = useState("");
  if (models.isError) return <Failed error={models.error} again={() => void models.refetch()} />;
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const sandbox = (id: string) => (id.startsWith("sandbox/") ? 1 : 0);
  const all = (models.data?.models ?? []).toSorted((a, b) => sandbox(a.id) - sandbox(b.id));
  const found = all.filter((model) => words.every((word) => model.id.toLowerCase().includes(word)));
  const shown = found.slice(0, SHOWN);
  const chosen = all.find((model) => model.id === target);
  if (chosen !== undefined && words.length === 0 && !shown.includes(chosen)) shown.unshift(chosen);
  return (
    <>
      <TextField hideLabel label={t("models.find")} placeholder={t("models.find")} type="search" value={find} autoComplete="off" onChange={(event) => setFind(event.target.value)} />
      <div role="radiogroup" aria-label={t("apis.target")} aria-invalid={error !== undefined || undefined} className={`h-[min(300px,40vh)] overflow-y-auto rounded-control border ${error === undefined ? "border-line-strong" : "border-shu-mark ring-1 ring-shu-mark"}`}>
        {models.isPending ? <Rows count={6} /> : shown.length === 0 ? <p className="px-3 py-6 text-center text-ui text-ink-3">{t("models.noneMatch")}</p> : null}
        {shown.map((model) => (
          <label key={model.id} className={`flex min-h-10 cursor-pointer items-center gap-2.5 border-b border-line px-3 py-1.5 text-ui last:border-0 has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-[-2px] has-[:focus-visible]:outline-focus max-sm:min-h-11 ${model.id === target ? "bg-ai-wash" : "hover:bg-sunk"}`}>
            <input type="radio" name="target" value={model.id} checked={model.id === target} onChange={() => onChoose(model.id)} className="size-4 shrink-0 accent-ai outline-none" />
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold">{model.id}</span>
              <span className="text-cap text-ink-3">{model.context_length === null ? "" : t("apis.contextOf", { n: format.count(model.context_length) })}</span>
            </span>
            <span className="flex shrink-0 gap-1 max-sm:hidden">
              {model.capabilities.map((capability) => (
                <Tag key={capability}>{capability}</Tag>
              ))}
            </span>
          </label>
        ))}
      </div>
      {error === undefined ? (
        <p className="text-cap/[20px] text-ink-3">
          {found.length > SHOWN ? t("apis.moreModels", { count: found.length - SHOWN, n: format.count(found.length - SHOWN) }) : t("apis.targetHelp")}{" "}
          <Link to="/providers/{-$name}" params={{ name: undefined }} search={{ add: "1" }}>
            {t("providers.add")}
          </Link>
        </p>
      ) : (
        <p role="alert" className="flex items-baseline gap-1.5 text-cap/[20px] text-shu">
          <StateMark state="failed" />
          {error}
        </p>
      )}
    </>
  );
}
