/** The person at the top right: who one is, language, theme, the way out. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { keyHelp } from "@/app/shell/state";
import { Menu } from "@/components/menu";
import { changeLanguage, useLanguage } from "@/i18n";
import { auth } from "@/lib/api/contract";
import { live } from "@/lib/live";
import { theme } from "@/lib/preferences";
import { queryClient } from "@/lib/query";
import { meQuery, wentOut } from "@/lib/session";
import { useStore } from "@/lib/store";

export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  if (/[\u3040-\u9fff]/.test(name)) return name.trim().slice(0, 1);
  return ((words[0]?.[0] ?? "") + (words.length > 1 ? (words.at(-1)?.[0] ?? "") : "")).toUpperCase();
}

export async function logOut(): Promise<void> {
  // It would take the end of the login for somebody else's doing, and ask.
  live.stop();
  await auth.logout().catch(() => undefined);
  wentOut();
  queryClient.clear();
  window.location.assign("/login");
}

export function PersonMenu() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const language = useLanguage();
  const chosen = useStore(theme);
  const { data } = useQuery(meQuery);
  const person = data?.user;
  return (
    <Menu
      align="end"
      label={t("shell.person")}
      trigger={
        <button type="button" aria-label={`${initials(person?.name ?? "")}, ${t("shell.personOf", { name: person?.name ?? "" })}`} className="grid size-7 shrink-0 place-items-center rounded-full max-sm:size-11">
          <span className="grid size-7 place-items-center rounded-full bg-ai-wash text-cap font-semibold text-ai-strong">{initials(person?.name ?? "")}</span>
        </button>
      }
      entries={[
        { label: person?.name ?? "", hint: person === undefined ? "" : t(`role.${person.role}`), act: () => void navigate({ to: "/settings" }) },
        "line",
        { label: "日本語", chosen: language === "ja", act: () => void changeLanguage("ja") },
        { label: "English", chosen: language === "en", act: () => void changeLanguage("en") },
        "line",
        { label: t("theme.system"), chosen: chosen === "system", act: () => theme.set("system") },
        { label: t("theme.light"), chosen: chosen === "light", act: () => theme.set("light") },
        { label: t("theme.dark"), chosen: chosen === "dark", act: () => theme.set("dark") },
        "line",
        { label: t("palette.keys"), hint: "?", act: () => keyHelp.set(true) },
        { label: t("palette.logOut"), act: () => void logOut() },
      ]}
    />
  );
}
