/** The menu: groups beside the content, a rail of icons on narrow screens, five places at the bottom of a telephone. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { type Group, nothingOpen, type ScreenEntry, screens } from "@/app/manifest";
import { Icon, Mark, StateMark } from "@/components/icon";
import { Menu } from "@/components/menu";
import { useFormat } from "@/i18n";
import { apisQuery } from "@/lib/apis";
import { providersQuery } from "@/lib/catalog";
import { useMay } from "@/lib/rights";
import { useStatus } from "@/lib/status";

const middle = ["first", "watch", "publish", "local", "govern"] as const satisfies Group[];

function Place({ screen, note }: { screen: ScreenEntry; note?: React.ReactNode }) {
  const { t } = useTranslation();
  return (
    <Link
      to={screen.to}
      params={nothingOpen}
      title={t(`nav.${screen.id}`)}
      activeOptions={{ exact: screen.path === "/", includeSearch: false }}
      className="flex h-7 items-center gap-[9px] rounded-control px-2 text-ui text-ink-2 hover:bg-sunk hover:no-underline data-[status=active]:bg-ai-wash data-[status=active]:font-semibold data-[status=active]:text-ai-strong sm:max-md:size-10 sm:max-md:justify-center sm:max-md:px-0"
    >
      <Icon name={screen.icon} />
      <span className="sm:max-md:sr-only">{t(`nav.${screen.id}`)}</span>
      {note === undefined ? null : <span className="ml-auto text-axis font-normal text-ink-3 sm:max-md:hidden">{note}</span>}
    </Link>
  );
}

/** The screens that are for whoever is here. */
function useScreens(): readonly ScreenEntry[] {
  const may = useMay();
  return screens.filter((screen) => may(screen.needs));
}

export function Sidebar() {
  const { t } = useTranslation();
  const own = useScreens();
  const format = useFormat();
  const status = useStatus();
  const providers = useQuery(providersQuery);
  const failing = (providers.data ?? []).filter((provider) => provider.enabled && provider.state === "failing").length;
  const broken = (useQuery(apisQuery).data ?? []).filter((api) => api.state === "broken").length;
  const needing = (count: number) =>
    count === 0 ? undefined : (
      <span className="inline-flex items-center gap-1 text-shu" title={t("shell.needsYou")}>
        <StateMark state="failed" />
        {count}
      </span>
    );
  const notes: Partial<Record<ScreenEntry["id"], React.ReactNode>> = {
    system: status.data === undefined ? undefined : t("shell.revision", { revision: format.exact(status.data.revision) }),
    apis: needing(broken),
    providers: needing(failing),
  };
  return (
    <nav aria-label={t("shell.menu")} className="hidden h-dvh flex-col gap-0.5 overflow-y-auto border-r border-line px-2 py-3 sm:flex">
      <div className="flex items-center gap-[9px] px-2 pt-1 pb-3 text-[15px] font-semibold sm:max-md:justify-center sm:max-md:px-0">
        <Mark />
        <span className="max-md:hidden">
          Sekisho{" "}
          <small lang="ja" className="ml-0.5 text-cap font-normal text-ink-3">
            関所
          </small>
        </span>
      </div>
      {middle.filter((group) => own.some((screen) => screen.group === group)).map((group) => (
        <div key={group} role="group" aria-label={group === "first" ? undefined : t(`nav.group.${group}`)} className="flex flex-col gap-0.5 sm:max-md:items-center">
          {group === "first" ? null : <div className="px-2 pt-3 pb-[3px] text-axis text-ink-3 sm:max-md:invisible sm:max-md:h-2 sm:max-md:p-0">{t(`nav.group.${group}`)}</div>}
          {own.filter((screen) => screen.group === group).map((screen) => (
            <Place key={screen.id} screen={screen} note={notes[screen.id]} />
          ))}
        </div>
      ))}
      <div className="mt-auto flex flex-col gap-0.5 border-t border-line pt-2 sm:max-md:items-center">
        {own.filter((screen) => screen.group === "last").map((screen) => (
          <Place key={screen.id} screen={screen} note={notes[screen.id]} />
        ))}
      </div>
    </nav>
  );
}

export function BottomBar() {
  const { t } = useTranslation();
  const own = useScreens();
  const navigate = useNavigate();
  const look = "flex flex-col items-center justify-center gap-[3px] text-axis/[14px] text-ink-2 hover:no-underline data-[status=active]:font-semibold data-[status=active]:text-ai-strong";
  return (
    <nav aria-label={t("shell.menu")} className="fixed inset-x-0 bottom-0 z-20 grid h-[60px] grid-cols-5 border-t border-line bg-surface sm:hidden">
      {own.filter((screen) => screen.bar === true).map((screen) => (
        <Link key={screen.id} to={screen.to} params={nothingOpen} activeOptions={{ exact: screen.path === "/", includeSearch: false }} className={look}>
          <Icon name={screen.icon} />
          <span className="max-w-full whitespace-nowrap [font-feature-settings:'palt'] [:lang(ja)_&]:tracking-[-0.04em]">{t(`nav.${screen.id}`)}</span>
        </Link>
      ))}
      <Menu
        align="end"
        trigger={
          <button type="button" className={look}>
            <Icon name="more" />
            {t("nav.more")}
          </button>
        }
        entries={own.filter((screen) => screen.bar !== true).map((screen) => ({ label: t(`nav.${screen.id}`), act: () => void navigate({ to: screen.to, params: nothingOpen }) }))}
      />
    </nav>
  );
}
