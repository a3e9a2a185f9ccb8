/** Bottom left, one at a time, six seconds; waits while one reads it. Errors stay. Only for results that are not seen where one looks. */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Icon, StateMark } from "@/components/icon";
import { createStore, useStore } from "@/lib/store";

interface Toast {
  id: number;
  text: string;
  failed?: boolean;
  undo?: () => void;
}

const shown = createStore<Toast | null>(null);
let next = 1;

export function toast(text: string, options: { failed?: boolean; undo?: () => void } = {}): void {
  shown.set({ id: next++, text, ...options });
}

export function Toasts() {
  const { t } = useTranslation();
  const current = useStore(shown);
  const [held, setHeld] = useState(false);
  const left = useRef(0);
  useEffect(() => {
    left.current = current?.undo === undefined ? 6000 : 10_000;
  }, [current]);
  useEffect(() => {
    if (current === null || held || current.failed === true) return;
    const began = Date.now();
    const timer = window.setTimeout(() => shown.set(null), left.current);
    return () => {
      left.current -= Date.now() - began;
      window.clearTimeout(timer);
    };
  }, [current, held]);
  return (
    <div className="pointer-events-none fixed bottom-4 left-4 z-60 max-sm:right-4 max-sm:bottom-[72px]" role="status" aria-live="polite">
      {current === null ? null : (
        <div
          key={current.id}
          onPointerEnter={() => setHeld(true)}
          onPointerLeave={() => setHeld(false)}
          onFocus={() => setHeld(true)}
          onBlur={() => setHeld(false)}
          className="pointer-events-auto flex max-w-[440px] animate-rise items-center gap-2.5 rounded-panel bg-surface py-2 pr-1.5 pl-3.5 text-ui shadow-float"
        >
          {current.failed === true ? <StateMark state="failed" /> : <Icon name="check" />}
          <span className="flex-1">{current.text}</span>
          {current.undo === undefined ? null : (
            <Button kind="quiet" size="small" onClick={() => (current.undo?.(), shown.set(null))}>
              {t("common.undo")}
            </Button>
          )}
          <Button kind="quiet" size="small" icon="close" aria-label={t("common.close")} onClick={() => shown.set(null)} />
        </div>
      )}
    </div>
  );
}
