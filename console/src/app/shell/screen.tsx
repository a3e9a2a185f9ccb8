/** One screen: its heading with tabs, feed, acts, search and person; then its content. Names the browser's tab. */
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";

import type { ScreenId } from "@/app/manifest";
import { PersonMenu } from "@/app/shell/person-menu";
import { needs, palette } from "@/app/shell/state";
import { Icon, Mark, StateMark } from "@/components/icon";
import { useFormat } from "@/i18n";
import { feed } from "@/lib/live";
import { useStore } from "@/lib/store";

interface Props {
  id: ScreenId;
  tabs?: ReactNode;
  actions?: ReactNode;
  /** Replaces the state of the feed, where a screen has one of its own. */
  liveState?: ReactNode;
  /** The content fills the screen and scrolls by itself. */
  filled?: boolean;
  children: ReactNode;
}

export function LiveState() {
  const { t } = useTranslation();
  const format = useFormat();
  const { state, lostAt } = useStore(feed);
  if (state === "offline")
    return (
      <span role="status" className="inline-flex items-center gap-1.5 text-cap text-shu">
        <StateMark state="failed" />
        <span className="max-md:hidden">{t("shell.offline", { time: lostAt === null ? "" : format.clock(lostAt) })}</span>
        <span className="md:hidden">{t("shell.offlineShort")}</span>
      </span>
    );
  const words = { connecting: t("shell.connecting"), live: t("shell.live"), polling: t("shell.polling") }[state];
  return (
    <span className="inline-flex items-center gap-1.5 text-cap whitespace-nowrap text-ink-2">
      <StateMark state={state === "connecting" ? "off" : "serving"} />
      {words}
    </span>
  );
}

export function Screen({ id, tabs, actions, liveState, filled = false, children }: Props) {
  const { t } = useTranslation();
  const wanting = useStore(needs);
  const title = t(`nav.${id}`);
  useEffect(() => {
    document.title = `${wanting > 0 ? `▲ ${wanting} · ` : ""}${title} · Sekisho`;
    document.getElementById("tab-icon")?.setAttribute("href", wanting > 0 ? "/mark-needs.svg" : "/mark.svg");
  }, [title, wanting]);
  return (
    <>
      <header className="flex min-h-[52px] shrink-0 flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line px-4 py-1 sm:px-6">
        <span className="sm:hidden">
          <Mark size={20} />
        </span>
        <h1 className="text-title font-semibold">{title}</h1>
        {/* On a telephone tabs and acts have a row of their own. */}
        {tabs === undefined && actions === undefined ? null : <span aria-hidden="true" className="hidden h-0 max-sm:order-1 max-sm:block max-sm:basis-full" />}
        <div className="flex max-w-full items-center max-sm:order-2 max-sm:flex-1 empty:hidden">{tabs}</div>
        <span className="flex-1" />
        {liveState === undefined ? <LiveState /> : liveState}
        <div className="flex flex-wrap items-center gap-2 max-sm:order-3 empty:hidden">{actions}</div>
        <button
          type="button"
          onClick={() => palette.set(true)}
          aria-label={`${t("shell.search")} Ctrl K`}
          className="flex size-11 items-center justify-center gap-2 rounded-control border border-line-strong bg-surface text-ui text-ink-3 sm:h-8 sm:w-8 md:w-[220px] md:justify-start md:pr-2 md:pl-2.5"
        >
          <Icon name="search" size={15} />
          <span className="max-md:hidden">{t("shell.search")}</span>
          <kbd className="ml-auto rounded-tag border border-line bg-sunk px-1 font-mono text-axis max-md:hidden">Ctrl K</kbd>
        </button>
        <PersonMenu />
      </header>
      <main id="content" tabIndex={-1} className={`min-h-0 flex-1 focus:outline-none ${filled ? "flex flex-col" : "overflow-y-auto px-4 py-3 sm:px-6 sm:py-5"}`}>
        {filled ? children : <div className="mx-auto max-w-[1760px]">{children}</div>}
      </main>
    </>
  );
}
