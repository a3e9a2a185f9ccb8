/** How does this model answer? Up to four models side by side on one prompt, through the gateway as any program calls it. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type KeyboardEvent, useCallback, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { CodeTabs } from "@/components/copy";
import { AreaField, SecretField, Switch, TextField } from "@/components/field";
import { Icon } from "@/components/icon";
import { Menu } from "@/components/menu";
import { Failed, Skeleton } from "@/components/panel";
import { Column, type ColumnHandle, type Figures } from "@/features/playground/column";
import { bodyOf, type Image, type Message, type Parameters } from "@/features/playground/conversation";
import { useFormat } from "@/i18n";
import { apisQuery, callable } from "@/lib/apis";
import { modelsQuery, useMakesKeys } from "@/lib/catalog";
import { gatewayBase, givenKey, takeKey } from "@/lib/gateway";
import { keep, kept } from "@/lib/preferences";
import { colourNames } from "@/lib/series";
import { useShortcuts } from "@/lib/shortcuts";
import { snippets } from "@/lib/snippets";
import { useStatus } from "@/lib/status";

const MOST = 4;
const IMAGE_BYTES = 8_000_000;
const PROMPTS = 30;

function remembered(): string[] {
  try {
    const list: unknown = JSON.parse(kept("prompts") ?? "[]");
    return Array.isArray(list) ? list.filter((each): each is string => typeof each === "string") : [];
  } catch {
    return [];
  }
}

/** A sensible first choice: a real model before the sandbox. */
export function firstModel(ids: readonly string[]): string {
  return ids.find((id) => !id.startsWith("sandbox/")) ?? ids.find((id) => id === "sandbox/lorem") ?? ids[0] ?? "sandbox/echo";
}

const bestOf = (values: (number | null)[], pick: (...all: number[]) => number): number | null => {
  const known = values.filter((value): value is number => value !== null);
  return known.length < 2 ? null : pick(...known);
};

export function Playground() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const search = useSearch({ from: "/frame/playground" });
  const status = useStatus();
  const listed = useQuery(modelsQuery);
  const ids = useMemo(() => (listed.data?.models ?? []).filter((model) => model.capabilities.map(String).includes("chat")).map((model) => model.id), [listed.data]);
  const chosen = useMemo(() => (search.models === undefined ? (ids.length === 0 ? [] : [firstModel(ids)]) : search.models.split(",").filter(Boolean).slice(0, MOST)), [search.models, ids]);
  const published = useQuery(apisQuery).data;
  const names = useMemo(() => [...callable(published), ...ids], [published, ids]);
  const base = gatewayBase(status.data?.ports.gateway);

  const handles = useRef(new Map<number, ColumnHandle>());
  const [states, setStates] = useState<Record<number, { busy: boolean; figures: Figures | null; messages: Message[] }>>({});
  const [text, setText] = useState("");
  const [prompts, setPrompts] = useState(remembered);
  const [images, setImages] = useState<Image[]>([]);
  const [imageFault, setImageFault] = useState("");
  const [parameters, setParameters] = useState<Parameters>({ system: "", temperature: null, maxTokens: null, json: false });
  const [panel, setPanel] = useState(false);
  const needsKey = useMakesKeys() === false;
  const [key, setKey] = useState(givenKey);
  const [keyMissing, setKeyMissing] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);

  const choose = (models: string[]) => void navigate({ to: "/playground", search: { models: models.join(",") }, replace: true });
  const busy = Object.entries(states).some(([place, state]) => Number(place) < chosen.length && state.busy);
  const colours = colourNames(chosen);
  const shown = chosen.map((_, place) => states[place]?.figures ?? null);
  const best = {
    firstTokenMs: bestOf(shown.map((each) => each?.firstTokenMs ?? null), Math.min),
    speed: bestOf(shown.map((each) => each?.speed ?? null), Math.max),
    cost: bestOf(shown.map((each) => each?.cost ?? null), Math.min),
  };

  const send = useCallback(() => {
    const prompt = text.trim();
    if (prompt === "") return box.current?.focus();
    if (needsKey && givenKey() === "") return setKeyMissing(true);
    for (const [place, handle] of handles.current) if (place < chosen.length) handle.send(prompt, parameters, images);
    const next = [prompt, ...prompts.filter((each) => each !== prompt)].slice(0, PROMPTS);
    setPrompts(next);
    keep("prompts", JSON.stringify(next));
    setText("");
    setImages([]);
    box.current?.focus();
  }, [text, parameters, images, prompts, chosen.length, needsKey]);

  async function attach(files: FileList | null) {
    setImageFault("");
    for (const each of files ?? []) {
      if (!each.type.startsWith("image/") || each.size > IMAGE_BYTES) {
        setImageFault(t("playground.badImage", { name: each.name, most: format.bytes(IMAGE_BYTES) }));
        continue;
      }
      const url = await new Promise<string>((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(typeof reader.result === "string" ? reader.result : "");
        reader.onerror = () => reject(reader.error ?? new Error(each.name));
        reader.readAsDataURL(each);
      });
      setImages((held) => [...held, { name: each.name, size: each.size, url }].slice(0, 8));
    }
  }

  function press(event: KeyboardEvent) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  }
  useShortcuts({ c: () => box.current?.focus() });

  const sample = useMemo(() => {
    const said = states[0]?.messages.filter((message) => message.role === "user") ?? [];
    const prompt = text.trim() || said.at(-1)?.content || t("playground.example");
    return { ...bodyOf(chosen[0] ?? "sandbox/echo", [{ role: "user", content: prompt }], parameters), stream: true };
  }, [states, text, chosen, parameters, t]);
  const code = snippets(base, sample);

  const addable = names.filter((id) => !chosen.includes(id));
  return (
    <Screen
      id="playground"
      filled
      liveState={null}
      actions={
        <>
          <Menu
            align="end"
            label={t("playground.history")}
            trigger={<Button kind="quiet">{t("playground.history")}</Button>}
            entries={
              prompts.length === 0
                ? [{ label: t("playground.noHistory"), act: () => undefined, disabled: true }]
                : [
                    ...prompts.slice(0, 12).map((prompt) => ({ label: <span className="block max-w-[320px] truncate">{prompt}</span>, act: () => setText(prompt) })),
                    "line" as const,
                    {
                      label: t("playground.forget"),
                      act: () => {
                        setPrompts([]);
                        keep("prompts", null);
                      },
                    },
                  ]
            }
          />
          <Button className="md:hidden" aria-pressed={panel} onClick={() => setPanel(!panel)}>
            {t("playground.parameters")}
          </Button>
        </>
      }
    >
      {listed.isError ? <Failed error={listed.error} again={() => void listed.refetch()} /> : null}
      {chosen.length === 0 ? (
        listed.isPending ? (
          <Skeleton className="m-6 h-64" />
        ) : null
      ) : (
        <div className="flex min-h-0 flex-1">
          <div className={`flex min-w-0 flex-1 flex-col ${panel ? "max-md:hidden" : ""}`}>
            <div className="flex min-h-0 flex-1 overflow-x-auto">
              {chosen.map((model, place) => (
                <Column
                  key={place}
                  handle={(handle) => {
                    if (handle === null) handles.current.delete(place);
                    else handles.current.set(place, handle);
                  }}
                  model={model}
                  models={names}
                  colour={colours.get(model) ?? "cat-rest"}
                  alone={chosen.length === 1}
                  best={best}
                  onModel={(next) => choose(chosen.map((each, at) => (at === place ? next : each)))}
                  onRemove={() => choose(chosen.filter((_, at) => at !== place))}
                  onState={(isBusy, figures, messages) => setStates((held) => ({ ...held, [place]: { busy: isBusy, figures, messages } }))}
                />
              ))}
            </div>
            <div className="shrink-0 border-t border-line bg-paper px-4 py-3">
              {needsKey ? (
                <div className="mb-3 max-w-[520px]">
                  <SecretField
                    label={t("playground.givenKey")}
                    help={t("playground.givenKeyHelp")}
                    error={keyMissing ? t("playground.givenKeyMissing") : undefined}
                    placeholder="sk-sek-…"
                    value={key}
                    onChange={(event) => {
                      setKey(event.target.value);
                      takeKey(event.target.value);
                      setKeyMissing(false);
                    }}
                  />
                </div>
              ) : null}
              <div className="rounded-panel border border-line-strong bg-surface px-3 py-2.5 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-focus">
                <textarea
                  ref={box}
                  rows={2}
                  value={text}
                  aria-label={t("playground.prompt")}
                  placeholder={t("playground.ask", { count: chosen.length })}
                  onChange={(event) => setText(event.target.value)}
                  onKeyDown={press}
                  className="block max-h-48 min-h-11 w-full resize-none bg-transparent text-body outline-none [field-sizing:content] placeholder:text-ink-3 max-sm:text-[16px]"
                />
                <div className="mt-1.5 flex flex-wrap items-center gap-2">
                  <input ref={file} type="file" accept="image/*" multiple hidden onChange={(event) => (void attach(event.target.files), (event.target.value = ""))} />
                  <Button size="small" icon="clip" onClick={() => file.current?.click()}>
                    {t("playground.image")}
                  </Button>
                  {images.map((image, place) => (
                    <span key={place} className="inline-flex h-[26px] items-center gap-1.5 rounded-[5px] border border-line pl-2 text-cap">
                      <span className="max-w-[140px] truncate">{image.name}</span> <span className="text-ink-3">{format.bytes(image.size)}</span>
                      <button type="button" aria-label={t("playground.dropImage", { name: image.name })} onClick={() => setImages(images.filter((_, at) => at !== place))} className="grid size-6 place-items-center">
                        <Icon name="close" size={12} />
                      </button>
                    </span>
                  ))}
                  {chosen.length < MOST && addable.length > 0 ? (
                    <Menu label={t("playground.addModel")} trigger={<Button size="small" icon="plus">{t("playground.addModel")}</Button>} entries={addable.map((id) => ({ label: id, act: () => choose([...chosen, id]) }))} />
                  ) : null}
                  {imageFault === "" ? null : (
                    <span role="alert" className="text-cap text-shu">
                      ▲ {imageFault}
                    </span>
                  )}
                  <span className="flex-1" />
                  {Object.values(states).some((state) => state.messages.length > 0) && !busy ? (
                    <Button kind="quiet" size="small" onClick={() => handles.current.forEach((handle) => handle.clear())}>
                      {t("playground.newChat")}
                    </Button>
                  ) : null}
                  {busy ? (
                    <Button icon="stop" onClick={() => handles.current.forEach((handle) => handle.stop())}>
                      {t("playground.stopAll", { count: chosen.length })}
                    </Button>
                  ) : (
                    <Button kind="primary" onClick={send}>
                      {t("playground.send", { count: chosen.length })}
                      <kbd className="ml-1 rounded-tag border border-current px-1 font-mono text-axis opacity-85 max-sm:hidden">Ctrl ↵</kbd>
                    </Button>
                  )}
                </div>
              </div>
            </div>
          </div>
          <aside aria-label={t("playground.parameters")} className={`w-full shrink-0 overflow-y-auto border-line px-4 py-3.5 md:block md:w-[268px] md:border-l lg:w-[300px] xl:w-[360px] ${panel ? "" : "max-md:hidden"}`}>
            <h2 className="mb-2 text-ui font-semibold">{t("playground.forModels", { count: chosen.length })}</h2>
            <div className="flex flex-col gap-3">
              <AreaField label={t("playground.system")} rows={3} value={parameters.system} onChange={(event) => setParameters({ ...parameters, system: event.target.value })} />
              <div>
                <label htmlFor="temperature" className="flex justify-between text-ui">
                  <span className="font-semibold">{t("playground.temperature")}</span>
                  <b>{parameters.temperature === null ? t("playground.modelDefault") : parameters.temperature.toFixed(1)}</b>
                </label>
                <input id="temperature" type="range" min={-0.1} max={2} step={0.1} value={parameters.temperature ?? -0.1} aria-valuetext={parameters.temperature === null ? t("playground.modelDefault") : parameters.temperature.toFixed(1)} onChange={(event) => setParameters({ ...parameters, temperature: Number(event.target.value) < 0 ? null : Number(event.target.value) })} className="h-6 w-full accent-ai" />
              </div>
              <TextField label={t("playground.longest")} placeholder={t("playground.modelDefault")} inputMode="numeric" value={parameters.maxTokens ?? ""} onChange={(event) => setParameters({ ...parameters, maxTokens: /^[1-9]\d{0,6}$/.test(event.target.value) ? Number(event.target.value) : null })} />
              <div className="flex items-center justify-between border-y border-line py-1.5 text-ui">
                {t("playground.json")}
                <Switch label={t("playground.json")} checked={parameters.json} onChange={(json) => setParameters({ ...parameters, json })} />
              </div>
              <CodeTabs small codes={{ curl: code.curl, python: code.python, typescript: code.typescript }} />
              <p className="text-cap text-ink-3">{t("playground.sameCall")}</p>
            </div>
          </aside>
        </div>
      )}
    </Screen>
  );
}
