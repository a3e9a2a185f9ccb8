/** A drawer is not modal: beside the list where there is room, over it where there is not. Esc closes and gives the focus back. */
import { type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";

interface Props {
  label: string;
  head: ReactNode;
  children: ReactNode;
  foot?: ReactNode;
  onClose: () => void;
}

export function Drawer({ label, head, children, foot, onClose }: Props) {
  const { t } = useTranslation();
  const frame = useRef<HTMLElement>(null);
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    function press(event: KeyboardEvent) {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("[role=dialog][data-state=open], [role=menu]") !== null) return;
      close.current();
    }
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  return (
    <aside
      ref={frame}
      aria-label={label}
      className="fixed inset-0 z-30 flex min-w-0 animate-slide flex-col bg-surface sm:left-auto sm:w-[560px] sm:border-l sm:border-line sm:shadow-float md:static md:z-auto md:w-[604px] md:shrink-0 md:animate-none md:shadow-none xl:w-[720px]"
    >
      <div className="flex h-12 shrink-0 items-center gap-2 border-b border-line pr-3 pl-4">
        {head}
        <Button kind="quiet" icon="close" aria-label={t("common.close")} onClick={onClose} />
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-5 py-3" tabIndex={0} role="group" aria-label={label}>
        {children}
      </div>
      {foot === undefined ? null : <div className="flex shrink-0 flex-wrap items-center gap-2 border-t border-line px-5 py-[9px]">{foot}</div>}
    </aside>
  );
}
