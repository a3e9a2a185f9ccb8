/** What is filled in where a call has none of its own, as a list; a sentence where nothing is. */
import { useTranslation } from "react-i18next";

import { numberNames } from "@/features/apis/defaults";
import type { Defaults } from "@/lib/api/types";

export function DefaultList({ defaults }: { defaults: Defaults }) {
  const { t } = useTranslation();
  const rows: [string, string, boolean][] = [];
  for (const name of numberNames) {
    const value = name === "max_tokens" ? (defaults.max_tokens ?? defaults.max_completion_tokens) : defaults[name];
    if (value != null) rows.push([t(`apis.field.${name}`), String(value), false]);
  }
  const stop = defaults.stop ?? [];
  const stops = typeof stop === "string" ? [stop] : stop;
  if (stops.length > 0) rows.push([t("apis.field.stop"), stops.map((each) => JSON.stringify(each)).join("  "), true]);
  if (defaults.system_prompt != null) rows.push([t("apis.field.system_prompt"), defaults.system_prompt, false]);
  if (rows.length === 0) return <p className="text-ui text-ink-3">{t("apis.noDefaults")}</p>;
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1 text-ui">
      {rows.map(([name, value, code]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className={`max-h-[120px] overflow-y-auto whitespace-pre-wrap [overflow-wrap:anywhere] ${code ? "font-mono" : ""}`}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
