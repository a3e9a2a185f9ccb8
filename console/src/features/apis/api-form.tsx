/** What an API is, as fields: shared by the wizard and by the change of one that is there. */
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { AreaField, TextField } from "@/components/field";
import { Icon } from "@/components/icon";
import { type Fault, faultOf, type FieldName, type Fields, firstNumbers, moreNumbers, type NumberName, numbers } from "@/features/apis/defaults";
import { useFormat } from "@/i18n";

export type Faults = Partial<Record<"name" | "title" | "description" | "target" | FieldName, string>>;

/** The sentence for what is wrong with a default: what to type instead. */
export function useFaultWords(): (name: FieldName, text: string) => string | undefined {
  const { t } = useTranslation();
  const format = useFormat();
  return (name, text) => {
    const fault: Fault | null = faultOf(name, text);
    if (fault === null) return undefined;
    if (fault === "stops" || fault === "long") return t(`apis.need.${fault}`);
    const { least, most } = numbers[name as NumberName];
    return t(`apis.need.${fault}`, { least: format.exact(least), most: format.exact(most) });
  };
}

/** On which field a refusal of the server belongs. */
export function placeOf(param: string | null): keyof Faults | null {
  const name = (param ?? "").replace(/^defaults\./, "");
  if (name === "max_completion_tokens") return "max_tokens";
  return ["name", "title", "description", "target", "system_prompt", "stop", ...firstNumbers, ...moreNumbers].includes(name) ? (name as keyof Faults) : null;
}

export function TitleFields({ values, faults, change }: { values: { title: string; description: string }; faults: Faults; change: (part: { title?: string; description?: string }) => void }) {
  const { t } = useTranslation();
  return (
    <>
      <TextField label={t("apis.title")} help={t("apis.titleHelp")} value={values.title} error={faults.title} maxLength={100} autoComplete="off" onChange={(event) => change({ title: event.target.value })} />
      <TextField label={t("apis.description")} value={values.description} error={faults.description} maxLength={2000} autoComplete="off" onChange={(event) => change({ description: event.target.value })} />
    </>
  );
}

export function DefaultFields({ values, faults, change }: { values: Fields; faults: Faults; change: (part: Partial<Fields>) => void }) {
  const { t } = useTranslation();
  const say = useFaultWords();
  const filled = [...moreNumbers, "stop" as const].some((name) => values[name] !== "" || faults[name] !== undefined);
  const [more, setMore] = useState(filled);
  // A field is judged when one leaves it; once it was wrong, with every key.
  const [left, setLeft] = useState<ReadonlySet<FieldName>>(new Set());
  const errorOf = (name: FieldName) => faults[name] ?? (left.has(name) ? say(name, values[name]) : undefined);
  const input = (name: FieldName) => ({
    value: values[name],
    error: errorOf(name),
    autoComplete: "off",
    onBlur: () => setLeft(new Set([...left, name])),
    onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
  });
  const number = (name: NumberName) => <TextField key={name} label={t(`apis.field.${name}`)} placeholder={t("apis.callersOwn")} inputMode={numbers[name].whole ? "numeric" : "decimal"} {...input(name)} />;
  return (
    <fieldset className="flex flex-col gap-3.5">
      <legend className="mb-2.5 w-full border-t border-line pt-3 text-ui font-semibold">
        {t("apis.defaults")} <span className="ml-1 text-cap font-normal text-ink-3">{t("apis.defaultsWhat")}</span>
      </legend>
      <AreaField label={t("apis.field.system_prompt")} rows={3} placeholder={t("apis.systemNone")} {...input("system_prompt")} />
      <div className="grid gap-3 sm:grid-cols-2">{firstNumbers.map(number)}</div>
      {more || filled ? (
        <>
          <div className="grid gap-3 sm:grid-cols-2">{moreNumbers.map(number)}</div>
          <AreaField label={t("apis.field.stop")} help={t("apis.stopHelp")} rows={2} spellCheck={false} className="font-mono" {...input("stop")} />
        </>
      ) : (
        <button type="button" aria-expanded="false" onClick={() => setMore(true)} className="inline-flex min-h-6 items-center gap-1.5 self-start rounded-tag text-cap text-ai hover:underline max-sm:min-h-11">
          <Icon name="down" size={13} /> {t("apis.moreDefaults")}
        </button>
      )}
    </fieldset>
  );
}
