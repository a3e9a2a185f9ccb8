/** Form fields: label above, help below; an error takes the help's place and says what to type. */
import { type ComponentProps, type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { StateMark } from "@/components/icon";

const box =
  "w-full rounded-control border bg-surface px-2.5 text-ui text-ink placeholder:text-ink-3 h-8 max-sm:h-11 max-sm:text-[16px] focus-visible:outline-2 focus-visible:outline-offset-2 disabled:bg-sunk disabled:text-ink-3";
const borderOf = (error: string | undefined) => (error === undefined ? "border-line-strong" : "border-shu-mark ring-1 ring-shu-mark");

interface Common {
  label: ReactNode;
  help?: ReactNode;
  error?: string;
  large?: boolean;
  hideLabel?: boolean;
}

function Frame({ id, label, help, error, hideLabel, children }: Common & { id: string; children: ReactNode }) {
  return (
    <div>
      <label htmlFor={id} className={hideLabel === true ? "sr-only" : "mb-1 block text-ui font-semibold"}>
        {label}
      </label>
      {children}
      {error !== undefined ? (
        <p id={`${id}-help`} role="alert" className="mt-1 flex items-baseline gap-1.5 text-cap/[20px] text-shu">
          <StateMark state="failed" />
          {error}
        </p>
      ) : help === undefined ? null : (
        <p id={`${id}-help`} className="mt-1 text-cap/[20px] text-ink-3">
          {help}
        </p>
      )}
    </div>
  );
}

export function TextField({ label, help, error, large, hideLabel, className = "", ...input }: Common & ComponentProps<"input">) {
  const id = useId();
  const size = large === true ? "!h-11 !rounded-panel !px-3.5 !text-[15px]" : "";
  return (
    <Frame id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <input id={id} className={`${box} ${borderOf(error)} ${size} ${className}`} aria-invalid={error !== undefined || undefined} aria-describedby={error !== undefined || help !== undefined ? `${id}-help` : undefined} {...input} />
    </Frame>
  );
}

/** A secret: masked until one asks to see it, never offered to the browser's memory of forms. */
export function SecretField({ label, help, error, large, autoComplete = "off", ...input }: Common & ComponentProps<"input">) {
  const id = useId();
  const { t } = useTranslation();
  const [shown, setShown] = useState(false);
  const size = large === true ? "!h-11 !rounded-panel !px-3.5 !text-[15px]" : "";
  return (
    <Frame id={id} label={label} help={help} error={error}>
      <div className="relative">
        <input
          id={id}
          type={shown ? "text" : "password"}
          autoComplete={autoComplete}
          spellCheck={false}
          className={`${box} ${borderOf(error)} ${size} !pr-16`}
          aria-invalid={error !== undefined || undefined}
          aria-describedby={error !== undefined || help !== undefined ? `${id}-help` : undefined}
          {...input}
        />
        <button type="button" aria-pressed={shown} onClick={() => setShown(!shown)} className="absolute inset-y-0 right-1 my-1 min-w-11 rounded-tag px-2 text-cap text-ai hover:bg-ai-wash">
          {shown ? t("common.hide") : t("common.show")}
        </button>
      </div>
    </Frame>
  );
}

export function AreaField({ label, help, error, hideLabel, className = "", ...input }: Common & ComponentProps<"textarea">) {
  const id = useId();
  return (
    <Frame id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <textarea id={id} className={`${box} ${borderOf(error)} !h-auto py-1.5 ${className}`} aria-invalid={error !== undefined || undefined} aria-describedby={error !== undefined || help !== undefined ? `${id}-help` : undefined} {...input} />
    </Frame>
  );
}

export function SelectField({ label, help, error, hideLabel, options, large, ...input }: Common & ComponentProps<"select"> & { options: readonly { value: string; label: string }[] }) {
  const id = useId();
  return (
    <Frame id={id} label={label} help={help} error={error} hideLabel={hideLabel}>
      <select id={id} className={`${box} ${borderOf(error)} ${large === true ? "!h-11 !rounded-panel !text-[15px]" : ""} pr-6`} {...input}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Frame>
  );
}

export function Switch({ label, checked, onChange, disabled }: { label: string; checked: boolean; onChange: (next: boolean) => void; disabled?: boolean }) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={checked}
      aria-label={label}
      disabled={disabled}
      onClick={() => onChange(!checked)}
      className={`relative h-[24px] w-[36px] shrink-0 rounded-full border-[3px] border-transparent bg-clip-padding transition-colors duration-80 disabled:opacity-55 ${checked ? "bg-ai" : "bg-sunk ring-1 ring-line-strong ring-inset"}`}
    >
      <span className={`absolute top-[3px] left-[3px] size-3 rounded-full transition-transform duration-80 ${checked ? "translate-x-3 bg-on-ai" : "bg-ink-3"}`} />
    </button>
  );
}

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: ReactNode }[];
  /** What takes its time returns a promise; meanwhile the choice shows as made. */
  onChange: (next: T) => unknown;
}

export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
  const [pressed, setPressed] = useState<T | null>(null);
  const shown = pressed ?? value;
  return (
    <div role="radiogroup" aria-label={label} className="inline-flex max-w-full overflow-x-auto rounded-control border border-line bg-sunk p-0.5 text-cap">
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === shown}
          onClick={() => {
            const done = onChange(option.value);
            if (!(done instanceof Promise)) return;
            setPressed(option.value);
            void done.finally(() => setPressed(null));
          }}
          className={`rounded-tag px-[9px] py-1 whitespace-nowrap max-sm:px-3 max-sm:py-2.5 ${option.value === shown ? "bg-surface font-semibold text-ink ring-1 ring-line" : "text-ink-2 hover:text-ink"}`}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
