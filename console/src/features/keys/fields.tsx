/** The fields that making and changing a key share: which models, and how much. */
import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { useTranslation } from "react-i18next";

import { TextField } from "@/components/field";
import { apisQuery, callable } from "@/lib/apis";
import { modelsQuery } from "@/lib/catalog";

export interface Limits {
  rpm: string;
  tpm: string;
  concurrency: string;
}

export const limitNames = ["rpm", "tpm", "concurrency"] as const satisfies (keyof Limits)[];

/** An empty field is no limit; anything else must be a whole number above zero. */
export function limitOf(text: string): number | null | "bad" {
  const plain = text.replace(/[,\s]/g, "");
  if (plain === "") return null;
  return /^[1-9]\d{0,8}$/.test(plain) ? Number(plain) : "bad";
}

/** The models that are named; null means all. */
export function scopeOf(text: string): string[] | null {
  const scope = text.split(/[\s,、]+/).filter(Boolean);
  return scope.length === 0 ? null : scope;
}

export function ScopeField({ value, error, onChange }: { value: string; error: string | undefined; onChange: (models: string) => void }) {
  const { t } = useTranslation();
  const known = useId();
  const models = useQuery(modelsQuery).data?.models ?? [];
  const apis = callable(useQuery(apisQuery).data);
  return (
    <>
      <TextField label={t("keys.mayCall")} help={t("keys.mayCallHelp")} placeholder={t("keys.allModels")} list={known} value={value} error={error} autoComplete="off" spellCheck={false} onChange={(event) => onChange(event.target.value)} />
      <datalist id={known}>
        {apis.map((name) => (
          <option key={name} value={name} />
        ))}
        {models.slice(0, 200).map((model) => (
          <option key={model.id} value={model.id} />
        ))}
      </datalist>
    </>
  );
}

export function LimitFields({ values, faults, onChange }: { values: Limits; faults: Partial<Record<keyof Limits, string>>; onChange: (part: Partial<Limits>) => void }) {
  const { t } = useTranslation();
  return (
    <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
      {limitNames.map((name) => (
        <TextField key={name} label={t(`keys.${name}`)} placeholder={t("keys.noLimit")} inputMode="numeric" value={values[name]} error={faults[name]} onChange={(event) => onChange({ [name]: event.target.value })} />
      ))}
    </div>
  );
}
