/** A menu behind a button: acts, or one choice of several. */
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";

import { Icon } from "@/components/icon";

export interface Entry {
  label: ReactNode;
  hint?: ReactNode;
  act: () => void;
  danger?: boolean;
  chosen?: boolean;
  disabled?: boolean;
}

export function Menu({ trigger, entries, align = "start", label }: { trigger: ReactNode; entries: (Entry | "line")[]; align?: "start" | "end"; label?: string }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          aria-label={label}
          className="z-50 max-h-[min(420px,80vh)] min-w-[180px] animate-appear overflow-y-auto rounded-panel bg-surface p-1 text-ui shadow-float"
        >
          {entries.map((entry, place) =>
            entry === "line" ? (
              <DropdownMenu.Separator key={place} className="my-1 h-px bg-line" />
            ) : (
              <DropdownMenu.Item
                key={place}
                disabled={entry.disabled}
                onSelect={entry.act}
                className={`flex cursor-pointer items-center gap-3 rounded-tag px-2.5 py-1.5 outline-none data-[disabled]:cursor-not-allowed data-[disabled]:text-ink-3 data-[highlighted]:bg-ai-wash max-sm:py-3 ${entry.danger === true ? "text-shu" : ""} ${entry.chosen === true ? "font-semibold" : ""}`}
              >
                <span className="flex-1">{entry.label}</span>
                {entry.hint === undefined ? null : <span className="text-cap text-ink-3">{entry.hint}</span>}
                {entry.chosen === true ? <Icon name="check" size={14} /> : null}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
