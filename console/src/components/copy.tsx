/** Copying, which says that it was done, and code blocks in several languages. */
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Icon } from "@/components/icon";

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain HTTP away from loopback has no clipboard; a selection still has.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way left there
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function useCopied(): [boolean, (text: string) => void] {
  const [copied, setCopied] = useState(false);
  return [
    copied,
    (text) => {
      setCopied(true);
      void copyText(text);
      window.setTimeout(() => setCopied(false), 1600);
    },
  ];
}

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { t } = useTranslation();
  const [copied, copy] = useCopied();
  return (
    <button type="button" onClick={() => copy(text)} aria-label={copied ? t("common.copied") : (label ?? t("common.copy"))} className="inline-grid size-7 shrink-0 place-items-center rounded-tag text-ai hover:bg-ai-wash max-sm:size-11">
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

const titles: Record<string, string> = { curl: "curl", python: "Python", typescript: "TypeScript" };

export function CodeTabs({ codes, small = false }: { codes: Record<string, string>; small?: boolean }) {
  const { t } = useTranslation();
  const names = Object.keys(codes);
  const [chosen, setChosen] = useState(names[0] ?? "");
  const text = codes[chosen] ?? "";
  return (
    <div className="overflow-hidden rounded-panel border border-line bg-sunk">
      <div className="flex items-center gap-1 border-b border-line px-1.5 py-0.5 text-cap">
        <div role="tablist" aria-label={t("common.code")} className="flex gap-1">
        {names.map((name) => (
          <button key={name} role="tab" type="button" aria-selected={name === chosen} onClick={() => setChosen(name)} className={`rounded-tag px-1.5 py-1 ${name === chosen ? "font-semibold text-ink" : "text-ink-3 hover:text-ink"}`}>
            {titles[name] ?? t("common.environment")}
          </button>
        ))}
        </div>
        <span className="flex-1" />
        <CopyButton text={text} label={t("common.copyCode")} />
      </div>
      {/* A scrolling block must be reachable by keyboard. */}
      <pre tabIndex={0} aria-label={titles[chosen] ?? t("common.environment")} className={`overflow-x-auto px-3 py-2.5 font-mono text-ink ${small ? "text-[11px]/[17px]" : "text-[12.5px]/[19px]"} whitespace-pre`}>
        {text}
      </pre>
    </div>
  );
}
