/** A dialog: traps focus, Esc closes. The ground is our own element, because the library's would write a style sheet that the policy refuses. */
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

interface Props {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  subtitle?: ReactNode;
  children: ReactNode;
  width?: number;
  /** Where focus begins; the first field otherwise. */
  focus?: string;
}

export function Dialog({ open, onClose, title, subtitle, children, width = 640, focus }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => (next ? undefined : onClose())}>
      <Radix.Portal>
        <div className="fixed inset-0 z-40 grid animate-appear overflow-y-auto bg-scrim p-4 max-sm:items-end max-sm:p-0 sm:place-items-center">
          <Radix.Content
            aria-describedby={undefined}
            style={{ maxWidth: width }}
            className="w-full animate-rise rounded-dialog bg-surface shadow-float focus:outline-none max-sm:max-h-dvh max-sm:overflow-y-auto max-sm:rounded-b-none"
            onOpenAutoFocus={(event) => {
              const wanted = focus === undefined ? null : (event.currentTarget as HTMLElement).querySelector<HTMLElement>(focus);
              if (wanted === null) return;
              event.preventDefault();
              wanted.focus();
            }}
          >
            <div className="px-6 pt-5 max-sm:px-4">
              <Radix.Title className="text-[18px]/[26px] font-semibold">{title}</Radix.Title>
              {subtitle === undefined ? null : <p className="text-body text-ink-2">{subtitle}</p>}
            </div>
            <div className="px-6 pt-3 pb-5 max-sm:px-4">{children}</div>
          </Radix.Content>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function DialogFoot({ children }: { children: ReactNode }) {
  return <div className="mt-5 flex flex-wrap items-center justify-end gap-2">{children}</div>;
}
