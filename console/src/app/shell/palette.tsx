/** Ctrl K: screens, objects by name or id, and acts. A pasted key is recognised by its public part and never sent. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Dialog as Radix } from "radix-ui";
import { type KeyboardEvent, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { nothingOpen, screens } from "@/app/manifest";
import { logOut } from "@/app/shell/person-menu";
import { keyHelp, palette } from "@/app/shell/state";
import { toast } from "@/components/toast";
import { Icon, type IconName } from "@/components/icon";
import { changeLanguage, useLanguage } from "@/i18n";
import { apisQuery, useSwitchApi } from "@/lib/apis";
import { modelsQuery, providersQuery, useKeyNames } from "@/lib/catalog";
import { copyText } from "@/components/copy";
import { density, theme } from "@/lib/preferences";
import { type Right, useMay } from "@/lib/rights";
import { useStore } from "@/lib/store";

interface Found {
  id: string;
  label: string;
  kind: string;
  icon: IconName;
  hint?: string;
  act: () => void;
}

const KEY = /sk-sek-([0-9a-z]+)(?:-[A-Za-z0-9_-]*)?/;

export function Palette() {
  const open = useStore(palette);
  const { t } = useTranslation();
  if (!open) return null;
  return (
    <Radix.Root open onOpenChange={(next) => palette.set(next)}>
      <Radix.Portal>
        <div className="fixed inset-0 z-50 grid animate-appear justify-items-center bg-scrim p-4 max-sm:p-0 sm:pt-[12vh]">
          <Radix.Content aria-describedby={undefined} className="h-fit w-full max-w-[600px] animate-rise overflow-hidden rounded-dialog bg-surface shadow-float focus:outline-none max-sm:rounded-none">
            <Radix.Title className="sr-only">{t("shell.search")}</Radix.Title>
            <Choices close={() => palette.set(false)} />
          </Radix.Content>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Choices({ close }: { close: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const language = useLanguage();
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const providers = useQuery(providersQuery).data;
  const models = useQuery(modelsQuery).data;
  const keys = useKeyNames().data;
  const apis = useQuery(apisQuery).data;
  const { mutate: switchApi } = useSwitchApi();
  const may = useMay();

  const all = useMemo((): Found[] => {
    const go = t("palette.goTo");
    const doing = t("palette.act");
    const last = { last: "24h" };
    const acts: (Found & { needs?: Right })[] = [
      ...screens.filter((screen) => may(screen.needs)).map((screen): Found => ({ id: `screen-${screen.id}`, label: t(`nav.${screen.id}`), kind: go, icon: screen.icon, hint: screen.keys, act: () => void navigate({ to: screen.to, params: nothingOpen }) })),
      { id: "create-key", needs: "keys.write", label: t("keys.create"), kind: doing, icon: "plus", hint: "sekisho api-keys create", act: () => void navigate({ to: "/keys/{-$keyId}", params: { keyId: undefined }, search: { create: "1" } }) },
      { id: "create-api", needs: "catalog.write", label: t("apis.create"), kind: doing, icon: "plus", hint: "sekisho apis create", act: () => void navigate({ to: "/apis/{-$name}", params: { name: undefined }, search: { create: "1" } }) },
      { id: "add-provider", needs: "catalog.write", label: t("providers.add"), kind: doing, icon: "plus", hint: "sekisho providers add", act: () => void navigate({ to: "/providers/{-$name}", params: { name: undefined }, search: { add: "1" } }) },
      { id: "failed", label: t("palette.failedCalls"), kind: doing, icon: "calls", act: () => void navigate({ to: "/calls/{-$callId}", params: { callId: undefined }, search: { ...last, status: "failed" } }) },
      { id: "unpriced", needs: "catalog.write", label: t("palette.unpriced"), kind: doing, icon: "models", act: () => void navigate({ to: "/models", search: { show: "unpriced" } }) },
      { id: "tail", label: t("palette.tail"), kind: doing, icon: "calls", hint: "sekisho calls tail", act: () => void navigate({ to: "/calls/{-$callId}", params: { callId: undefined } }) },
      { id: "compare", label: t("palette.compare"), kind: doing, icon: "playground", act: () => void navigate({ to: "/playground" }) },
      { id: "doctor", needs: "system", label: t("system.runDoctor"), kind: doing, icon: "system", hint: "sekisho doctor", act: () => void navigate({ to: "/system" }) },
      { id: "backup", needs: "system", label: t("system.backUp"), kind: doing, icon: "system", hint: "sekisho backup create", act: () => void navigate({ to: "/system" }) },
      { id: "invite", needs: "users", label: t("people.invite"), kind: doing, icon: "plus", act: () => void navigate({ to: "/people/{-$userId}", params: { userId: undefined }, search: { invite: "1" } }) },
      { id: "add-issuer", needs: "users", label: t("issuers.add"), kind: doing, icon: "plus", act: () => void navigate({ to: "/people/{-$userId}", params: { userId: undefined }, search: { tab: "issuers", add: "1" } }) },
      { id: "export-calls", label: t("calls.exportTitle"), kind: doing, icon: "export", act: () => void navigate({ to: "/calls/{-$callId}", params: { callId: undefined }, search: { export: "1" } }) },
      { id: "create-project", needs: "projects.write", label: t("projects.create"), kind: doing, icon: "plus", hint: "sekisho projects create", act: () => void navigate({ to: "/projects/{-$project}", params: { project: undefined }, search: { create: "1" } }) },
      { id: "verify", needs: "audit", label: t("audit.verify"), kind: doing, icon: "audit", hint: "sekisho check --audit", act: () => void navigate({ to: "/audit/{-$row}", params: { row: undefined } }) },
      { id: "theme", label: t("palette.theme"), kind: doing, icon: "settings", act: () => theme.set(document.documentElement.dataset["theme"] === "dark" ? "light" : "dark") },
      { id: "language", label: language === "ja" ? "English" : "日本語", kind: t("palette.language"), icon: "settings", act: () => void changeLanguage(language === "ja" ? "en" : "ja") },
      { id: "density", label: t("palette.density"), kind: doing, icon: "settings", act: () => density.set(density.get() === "compact" ? "normal" : "compact") },
      { id: "keys-help", label: t("palette.keys"), kind: doing, icon: "settings", hint: "?", act: () => keyHelp.set(true) },
      { id: "address", label: t("palette.copyAddress"), kind: doing, icon: "copy", act: () => void copyText(location.href).then(() => toast(t("common.copied"))) },
      { id: "log-out", label: t("palette.logOut"), kind: doing, icon: "close", act: () => void logOut() },
      ...(apis ?? []).flatMap((each): (Found & { needs?: Right })[] => [
        { id: `api-${each.name}`, label: each.name, kind: t("apis.word"), icon: "apis", act: () => void navigate({ to: "/apis/{-$name}", params: { name: each.name } }) },
        { id: `switch-api-${each.name}`, needs: "catalog.write", label: t(each.enabled ? "apis.stopNamed" : "apis.startNamed", { name: each.name }), kind: doing, icon: each.enabled ? "stop" : "play", hint: `sekisho apis set ${each.name}`, act: () => switchApi({ name: each.name, enabled: !each.enabled }) },
      ]),
      ...(providers ?? []).map((each): Found => ({ id: `provider-${each.id}`, label: each.name, kind: t("word.provider"), icon: "providers", act: () => void navigate({ to: "/providers/{-$name}", params: { name: each.name } }) })),
      ...(keys ?? []).map((each): Found => ({ id: `key-${each.id}`, label: each.label, kind: t("word.key"), icon: "keys", act: () => void navigate({ to: "/keys/{-$keyId}", params: { keyId: each.id } }) })),
      ...(models?.models ?? []).map((each): Found => ({ id: `model-${each.id}`, label: each.id, kind: t("word.model"), icon: "models", act: () => void navigate({ to: "/calls/{-$callId}", params: { callId: undefined }, search: { ...last, model: each.id } }) })),
    ];
    return acts.filter((each) => may(each.needs));
  }, [t, navigate, language, providers, keys, models, apis, switchApi, may]);

  const found = useMemo(() => {
    const wanted = text.trim();
    const pasted = KEY.exec(wanted)?.[1];
    if (pasted !== undefined) return [{ id: "pasted", label: `sk-sek-${pasted}…`, kind: t("word.key"), icon: "keys" as const, act: () => void navigate({ to: "/keys/{-$keyId}", params: { keyId: pasted } }) }];
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = all.filter((each) => words.every((word) => `${each.label} ${each.hint ?? ""} ${each.kind}`.toLowerCase().includes(word)));
    const rows: Found[] = words.length === 0 ? hits.slice(0, 20) : hits.slice(0, 40);
    if (/^[\w-]{10,}$/.test(wanted)) rows.push({ id: "call", label: t("palette.openCall", { id: wanted }), kind: t("word.call"), icon: "calls", act: () => void navigate({ to: "/calls/{-$callId}", params: { callId: wanted } }) });
    return rows;
  }, [text, all, navigate, t]);

  const at = Math.min(place, Math.max(found.length - 1, 0));
  function choose(one: Found | undefined) {
    if (one === undefined) return;
    close();
    one.act();
  }
  function press(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown") setPlace((at + 1) % Math.max(found.length, 1));
    else if (event.key === "ArrowUp") setPlace((at - 1 + found.length) % Math.max(found.length, 1));
    else if (event.key === "Enter") choose(found[at]);
    else return;
    event.preventDefault();
  }
  return (
    <>
      <div className="flex items-center gap-2.5 border-b border-line px-4">
        <Icon name="search" />
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={found[at] === undefined ? undefined : `palette-${found[at].id}`}
          aria-label={t("shell.search")}
          value={text}
          onChange={(event) => (setText(event.target.value), setPlace(0))}
          onKeyDown={press}
          placeholder={t("palette.placeholder")}
          autoComplete="off"
          spellCheck={false}
          className="h-12 flex-1 bg-transparent text-[15px] outline-none placeholder:text-ink-3"
        />
        <kbd className="rounded-tag border border-line bg-sunk px-1 font-mono text-axis text-ink-3">Esc</kbd>
      </div>
      <ul id="palette-list" role="listbox" aria-label={t("shell.search")} className="max-h-[min(420px,60vh)] overflow-y-auto p-1.5">
        {found.map((each, row) => (
          <li
            key={each.id}
            id={`palette-${each.id}`}
            role="option"
            aria-selected={row === at}
            ref={(element) => {
              if (row === at) element?.scrollIntoView?.({ block: "nearest" });
            }}
            onPointerMove={() => (row === at ? undefined : setPlace(row))}
            onClick={() => choose(each)}
            className={`flex h-9 cursor-pointer items-center gap-3 rounded-control px-2.5 text-ui max-sm:h-11 ${row === at ? "bg-ai-wash" : ""}`}
          >
            <span className="text-ink-3">
              <Icon name={each.icon} />
            </span>
            <span className="min-w-0 flex-1 truncate">{each.label}</span>
            {each.hint === undefined ? null : <span className="font-mono text-axis text-ink-3 max-sm:hidden">{each.hint}</span>}
            <span className="text-axis text-ink-3">{each.kind}</span>
          </li>
        ))}
        {found.length === 0 ? <li className="px-3 py-6 text-center text-ui text-ink-3">{t("palette.nothing")}</li> : null}
      </ul>
    </>
  );
}
