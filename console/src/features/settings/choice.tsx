/** One thing that can be chosen: its name, a word about it, and the control. */
import type { ReactNode } from "react";

export function Choice({ name, help, children }: { name: string; help?: ReactNode; children: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center gap-x-6 gap-y-2 border-t border-line px-3.5 py-3 first:border-0">
      <div className="min-w-0 flex-1 basis-52">
        <div className="text-ui font-semibold">{name}</div>
        {help === undefined ? null : <div className="text-cap/[18px] text-ink-3">{help}</div>}
      </div>
      {children}
    </div>
  );
}
