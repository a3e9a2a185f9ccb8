/** The frame around all screens: menu, keys, palette, feed; and the guard that shows strangers the door. */
import { useQuery } from "@tanstack/react-query";
import { Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { NotFound } from "@/app/broken";
import { nothingOpen, screens } from "@/app/manifest";
import { KeyHelp } from "@/app/shell/key-help";
import { Palette } from "@/app/shell/palette";
import { BottomBar, Sidebar } from "@/app/shell/sidebar";
import { Button } from "@/components/button";
import { Mark } from "@/components/icon";
import { LoginForm } from "@/features/auth/login-form";
import { Dialog } from "@/components/dialog";
import { ApiError, whenSessionEnds } from "@/lib/api/request";
import { live } from "@/lib/live";
import { queryClient } from "@/lib/query";
import { useMay } from "@/lib/rights";
import { mayBeIn, meQuery, sessionLost, wentOut } from "@/lib/session";
import { useShortcuts } from "@/lib/shortcuts";
import { useStore } from "@/lib/store";
import { keyHelp, palette } from "@/app/shell/state";

export function Frame() {
  const { t } = useTranslation();
  const me = useQuery({ ...meQuery, enabled: mayBeIn() });
  if (me.data === undefined && !mayBeIn()) return <ToLogin />;
  if (me.isPending) return <Waiting />;
  if (me.isError && me.data === undefined) {
    if (me.error instanceof ApiError && me.error.status === 401) return <ToLogin />;
    return (
      <main className="grid min-h-dvh place-items-center p-6">
        <div role="alert" className="flex flex-col items-center gap-3 text-center">
          <Mark size={32} />
          <h1 className="text-verdict font-semibold">{t("error.noNode")}</h1>
          <p className="text-ink-2">{t("error.noNodeWhy")}</p>
          <Button kind="primary" busy={me.isFetching ? t("common.trying") : false} onClick={() => void me.refetch()}>
            {t("common.tryAgain")}
          </Button>
        </div>
      </main>
    );
  }
  return <Inside />;
}

/** Once, with the address as it was: while the router is on its way, its own idea of the address already is the login. */
function ToLogin() {
  const navigate = useNavigate();
  useEffect(() => {
    wentOut();
    const here = window.location.pathname + window.location.search;
    if (window.location.pathname !== "/login") void navigate({ to: "/login", search: here === "/" ? {} : { next: here }, replace: true });
  }, [navigate]);
  return null;
}

/** Nothing for a moment, then the mark: the first answer is usually faster than the eye. */
function Waiting() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 300);
    return () => window.clearTimeout(timer);
  }, []);
  return <div className="grid min-h-dvh place-items-center">{late ? <Mark size={32} /> : null}</div>;
}

function Inside() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const lost = useStore(sessionLost);
  const may = useMay();
  const path = useLocation({ select: (location) => location.pathname });
  const here = screens.find((screen) => screen.path !== "/" && (path === screen.path || path.startsWith(`${screen.path}/`)));
  const denied = here !== undefined && !may(here.needs);
  useEffect(() => {
    whenSessionEnds(() => sessionLost.set(true));
    live.start();
    return () => {
      whenSessionEnds(() => undefined);
      live.stop();
    };
  }, []);
  useShortcuts({
    "mod+k": () => palette.set(true),
    "/": () => palette.set(true),
    "?": () => keyHelp.set(true),
    ...Object.fromEntries(screens.filter((screen) => may(screen.needs)).map((screen) => [screen.keys, () => void navigate({ to: screen.to, params: nothingOpen })])),
  });
  return (
    <div className="grid h-dvh grid-cols-[minmax(0,1fr)] sm:grid-cols-[56px_minmax(0,1fr)] md:grid-cols-[208px_minmax(0,1fr)] xl:grid-cols-[232px_minmax(0,1fr)]">
      <a href="#content" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface focus:p-2">
        {t("shell.skip")}
      </a>
      <Sidebar />
      <div className="flex h-dvh min-w-0 flex-col max-sm:pb-[60px]">
        {denied ? <NotFound /> : <Outlet />}
      </div>
      <BottomBar />
      <Palette />
      <KeyHelp />
      <Dialog open={lost} onClose={() => undefined} title={t("login.sessionEnded")} subtitle={t("login.nothingLost")} width={440}>
        <LoginForm
          onDone={() => {
            sessionLost.set(false);
            live.again();
            void queryClient.invalidateQueries();
          }}
        />
      </Dialog>
    </div>
  );
}
