/** How should it behave? One's own choices at once; the installation's, each with its source. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Trans, useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Segmented, Switch, TextField } from "@/components/field";
import { Empty, Failed, Panel, Rows, Tag } from "@/components/panel";
import { Account, Self } from "@/features/settings/account";
import { Choice } from "@/features/settings/choice";
import { Leaving } from "@/features/settings/leaving";
import { changeLanguage, useFormat, useLanguage } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Setting } from "@/lib/api/types";
import { density, letterKeys, theme } from "@/lib/preferences";
import { useMay } from "@/lib/rights";
import { useStore } from "@/lib/store";

export function Settings() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const search = useSearch({ from: "/frame/settings" });
  const may = useMay();
  const tab = search.tab === "installation" && may("system") ? "installation" : "own";
  return (
    <Screen
      id="settings"
      liveState={null}
      tabs={
        may("system") ? (
          <Segmented
            label={t("nav.settings")}
            value={tab}
            options={[
              { value: "own", label: t("settings.own") },
              { value: "installation", label: t("settings.installation") },
            ]}
            onChange={(next) => void navigate({ to: "/settings", search: next === "own" ? {} : { tab: next } })}
          />
        ) : undefined
      }
    >
      {tab === "own" ? <Own /> : <Installation find={search.find ?? ""} onFind={(find) => void navigate({ to: "/settings", search: { tab: "installation", find: find === "" ? undefined : find }, replace: true })} />}
    </Screen>
  );
}

function Own() {
  const { t } = useTranslation();
  const format = useFormat();
  const language = useLanguage();
  const shade = useStore(theme);
  const tight = useStore(density);
  const letters = useStore(letterKeys);
  return (
    <div className="mx-auto flex max-w-[760px] flex-col gap-3">
      <Panel title={t("settings.you")}>
        <Self />
      </Panel>
      <Panel title={t("settings.browser")} sub={t("settings.browserWhat")}>
        <Choice name={t("palette.language")}>
          <Segmented label={t("palette.language")} value={language} options={[{ value: "ja", label: <span lang="ja">日本語</span> }, { value: "en", label: <span lang="en">English</span> }]} onChange={(next) => changeLanguage(next)} />
        </Choice>
        <Choice name={t("settings.theme")}>
          <Segmented label={t("settings.theme")} value={shade} options={(["system", "light", "dark"] as const).map((value) => ({ value, label: t(`theme.${value}`) }))} onChange={theme.set} />
        </Choice>
        <Choice name={t("settings.density")} help={t("settings.densityHelp")}>
          <Segmented label={t("settings.density")} value={tight} options={(["normal", "compact"] as const).map((value) => ({ value, label: t(`settings.densities.${value}`) }))} onChange={density.set} />
        </Choice>
        <Choice name={t("settings.letterKeys")} help={t("settings.letterKeysHelp")}>
          <Switch label={t("settings.letterKeys")} checked={letters} onChange={letterKeys.set} />
        </Choice>
        <Choice name={t("settings.zone")} help={t("settings.zoneHelp")}>
          <span className="text-ui">
            {Intl.DateTimeFormat().resolvedOptions().timeZone} · {format.clock(new Date())}
          </span>
        </Choice>
      </Panel>
      <Panel title={t("account.access")}>
        <Account />
      </Panel>
      <Panel title={t("departure.panel")}>
        <Leaving />
      </Panel>
    </div>
  );
}

function sourceTone(source: string): "plain" | "ai" | "slow" {
  return source === "default" ? "plain" : source === "sekisho.toml" ? "ai" : "slow";
}

export function written(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.length === 0 ? "[]" : value.map(written).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Installation({ find, onFind }: { find: string; onFind: (text: string) => void }) {
  const { t } = useTranslation();
  const told = useQuery({ queryKey: ["settings"], queryFn: async () => (await request<{ settings: Setting[] }>("GET", "/api/settings")).settings });
  const shown = (told.data ?? []).filter((setting) => setting.name.includes(find.toLowerCase()));
  const groups = [...new Set(shown.map((setting) => setting.name.split(".")[0] ?? ""))];
  return (
    <div className="mx-auto max-w-[960px]">
      <p className="mb-3 text-ui text-ink-2">
        <Trans i18nKey="settings.where" components={{ code: <code className="font-mono" /> }} />
      </p>
      <div className="mb-3 max-w-[320px]">
        <TextField hideLabel type="search" label={t("settings.find")} placeholder={t("settings.find")} value={find} onChange={(event) => onFind(event.target.value)} />
      </div>
      {told.isPending ? <Rows /> : told.isError ? <Failed error={told.error} again={() => void told.refetch()} /> : shown.length === 0 ? <Empty text={t("settings.noneMatch")} /> : null}
      <div className="flex flex-col gap-3">
        {groups.map((group) => (
          <Panel key={group} title={group}>
            <ul className="pb-1">
              {shown
                .filter((setting) => setting.name.split(".")[0] === group)
                .map((setting) => (
                  <li key={setting.name} className="grid min-h-8 grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 border-t border-line px-3.5 py-1.5 text-ui sm:grid-cols-[minmax(180px,1fr)_minmax(0,1.4fr)_auto]">
                    <code className="font-mono">{setting.name}</code>
                    <span className="min-w-0 break-words text-ink-2 max-sm:order-3 max-sm:col-span-2">{written(setting.value)}</span>
                    <Tag tone={sourceTone(setting.source)}>{setting.source === "default" ? t("settings.default") : setting.source}</Tag>
                  </li>
                ))}
            </ul>
          </Panel>
        ))}
      </div>
    </div>
  );
}
