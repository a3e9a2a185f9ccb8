/** Keys of the whole console. Single letters are off while somebody types, and for those who switched them off. */
import { useEffect, useRef } from "react";

import { letterKeys } from "@/lib/preferences";

export type Shortcuts = Record<string, (event: KeyboardEvent) => void>;

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

let pending: string | null = null;
let pendingTimer = 0;

/** `g o` is written as the two keys with a space between; `mod+k` is Ctrl or the command key. */
function nameOf(event: KeyboardEvent): string {
  const plain = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return `mod+${plain}`;
  return event.altKey ? `alt+${plain}` : event.key === "?" ? "?" : event.shiftKey && plain.length === 1 && plain !== event.key ? `shift+${plain}` : plain;
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  useEffect(() => {
    current.current = shortcuts;
  });
  useEffect(() => {
    function press(event: KeyboardEvent) {
      if (event.defaultPrevented || event.isComposing) return;
      const name = nameOf(event);
      const modified = name.startsWith("mod+");
      const busy = typing(event.target) || document.querySelector("[role=dialog][data-state=open]") !== null;
      if (!modified && (busy || (!letterKeys.get() && name.length === 1))) return;
      const sequence = pending === null ? name : `${pending} ${name}`;
      const act = current.current[sequence] ?? (pending === null ? undefined : current.current[name]);
      if (act !== undefined) {
        event.preventDefault();
        pending = null;
        act(event);
        return;
      }
      if (Object.keys(current.current).some((each) => each.startsWith(`${name} `))) {
        pending = name;
        window.clearTimeout(pendingTimer);
        pendingTimer = window.setTimeout(() => (pending = null), 1200);
      }
    }
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
