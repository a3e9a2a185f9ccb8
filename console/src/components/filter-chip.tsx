/** One filter: its name, its value, and the way to take it away. The value lives in the address. */
import { useTranslation } from "react-i18next";

import { Icon } from "@/components/icon";
import { Menu } from "@/components/menu";

interface Props {
  name: string;
  value: string | undefined;
  options: readonly { value: string; label: string; hint?: string }[];
  onChange: (value: string | undefined) => void;
  /** What no value means; "any" otherwise. */
  none?: string;
  /** A filter that always has a value cannot be taken away. */
  fixed?: boolean;
  /** How a value is written that is none of the options; the value itself otherwise. */
  write?: (value: string) => string;
  /** An entry behind the options that asks for any other value. */
  other?: { label: string; act: () => void };
}

export function FilterChip({ name, value, options, onChange, none, fixed = false, write, other }: Props) {
  const { t } = useTranslation();
  const chosen = options.find((option) => option.value === value);
  const any = none ?? t("common.any");
  return (
    <span className="inline-flex h-7 max-w-full shrink-0 items-center rounded-control border border-line-strong bg-surface text-cap max-sm:h-11">
      <Menu
        label={name}
        trigger={
          <button type="button" data-filter="" className="inline-flex h-full min-w-0 items-center gap-1.5 rounded-control px-[9px]">
            <span className="text-ink-2">{name}</span>
            <b className="max-w-[220px] truncate">{chosen?.label ?? (value === undefined ? any : (write?.(value) ?? value))}</b>
            {value === undefined || fixed ? <Icon name="down" size={12} /> : null}
          </button>
        }
        entries={[
          ...(fixed ? [] : [{ label: any, chosen: value === undefined, act: () => onChange(undefined) }, "line" as const]),
          ...options.map((option) => ({ label: option.label, hint: option.hint, chosen: option.value === value, act: () => onChange(option.value) })),
          ...(other === undefined ? [] : ["line" as const, { label: other.label, act: other.act }]),
        ]}
      />
      {value === undefined || fixed ? null : (
        <button type="button" aria-label={t("common.dropFilter", { name })} onClick={() => onChange(undefined)} className="grid h-full w-7 place-items-center rounded-control hover:bg-sunk max-sm:w-11">
          <Icon name="close" size={12} />
        </button>
      )}
    </span>
  );
}
