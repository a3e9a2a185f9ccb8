/** One model's side of the comparison. */
import { Link } from "@tanstack/react-router";
import { type Ref, useEffect, useImperativeHandle, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Icon } from "@/components/icon";
import { Menu } from "@/components/menu";
import { Tag } from "@/components/panel";
import { type Column as Held, type Image, type Parameters, useConversation } from "@/features/playground/conversation";
import { Markdown } from "@/features/playground/markdown";
import { useFormat } from "@/i18n";
import { shortId } from "@/lib/format";
import { useRecord } from "@/lib/record";

export interface ColumnHandle {
  send: (text: string, parameters: Parameters, images: readonly Image[]) => void;
  stop: () => void;
  clear: () => void;
}

export interface Figures {
  firstTokenMs: number | null;
  speed: number | null;
  cost: number | null;
}

interface Props {
  handle: Ref<ColumnHandle>;
  model: string;
  models: readonly string[];
  colour: string;
  alone: boolean;
  best: { firstTokenMs: number | null; speed: number | null; cost: number | null };
  onModel: (model: string) => void;
  onRemove: () => void;
  onState: (busy: boolean, figures: Figures | null, messages: Held["messages"]) => void;
}

export function figuresOf(column: Held, cost: string | null): Figures | null {
  if (column.told === null) return null;
  const { firstTokenMs, totalMs, usage } = column.told;
  const streaming = firstTokenMs === null ? 0 : totalMs - firstTokenMs;
  return { firstTokenMs, speed: usage !== null && streaming > 20 ? usage.output / (streaming / 1000) : null, cost: cost === null ? null : Number(cost) };
}

export function Column({ handle, model, models, colour, alone, best, onModel, onRemove, onState }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const { column, send, stop, clear } = useConversation(t("playground.keyLabel"));
  useImperativeHandle(handle, () => ({ send: (text, parameters, images) => void send(model, text, parameters, images), stop, clear }), [model, send, stop, clear]);

  // The gateway's answer has neither cost nor record while it streams; the record has both a moment later.
  const id = column.told?.requestId ?? "";
  const recorded = useRecord(id);
  const cost = recorded.data?.cost ?? column.told?.cost ?? null;
  const figures = figuresOf(column, cost);
  const busy = column.growing !== null;
  const report = useRef(onState);
  useEffect(() => {
    report.current = onState;
  });
  const { firstTokenMs = null, speed = null, cost: spent = null } = figures ?? {};
  useEffect(() => {
    report.current(busy, figures === null ? null : { firstTokenMs, speed, cost: spent }, column.messages);
    // The figures are compared by their parts.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [busy, figures === null, firstTokenMs, speed, spent, column.messages]);

  const wins = (value: number | null, against: number | null) => value !== null && value === against;
  const usage = column.told?.usage ?? (recorded.data === undefined ? null : { input: recorded.data.input_tokens, output: recorded.data.output_tokens });
  return (
    <section aria-label={model} className="flex min-h-0 min-w-0 flex-1 flex-col border-line bg-surface not-first:border-l max-sm:min-w-full">
      <div className="flex h-12 shrink-0 items-center gap-2 border-b border-line pr-2 pl-4">
        <i className="size-2.5 shrink-0 rounded-bar" style={{ background: `var(--${colour})` }} />
        <Menu
          label={t("word.model")}
          trigger={
            <button type="button" className="inline-flex min-h-8 min-w-0 items-center gap-1.5 rounded-tag text-ui font-semibold max-sm:min-h-11">
              <span className="truncate">{model}</span>
              <Icon name="down" size={13} />
            </button>
          }
          entries={models.map((each) => ({ label: each, chosen: each === model, act: () => onModel(each) }))}
        />
        <span className="flex-1" />
        {busy ? (
          <Button size="small" icon="stop" onClick={stop}>
            {t("playground.stop")}
          </Button>
        ) : column.fault !== null ? (
          <Tag tone="failed">▲ {t("playground.failed")}</Tag>
        ) : column.stopped ? (
          <Tag>{t("playground.stopped")}</Tag>
        ) : column.told !== null ? (
          <Tag tone="fine">
            <Icon name="check" size={12} /> {t("playground.finished")}
          </Tag>
        ) : null}
        {alone ? null : <Button kind="quiet" size="small" icon="close" aria-label={t("playground.removeModel", { model })} onClick={onRemove} />}
      </div>
      <Messages column={column} />
      <dl className="grid shrink-0 grid-cols-2 border-t border-line sm:grid-cols-4">
        {(
          [
            [t("metric.firstToken"), firstTokenMs === null ? null : format.durationParts(firstTokenMs), wins(firstTokenMs, best.firstTokenMs)],
            [t("playground.tokensPerSecond"), speed === null ? null : { value: format.count(Math.round(speed)), unit: "" }, wins(speed, best.speed)],
            [t("metric.tokens"), usage === null ? null : { value: `${format.count(usage.input)} → ${format.count(usage.output)}`, unit: "" }, false],
            [t("metric.cost"), column.told === null ? null : cost === null ? { value: recorded.isPending ? "…" : "–", unit: "" } : { value: format.money(cost, recorded.data?.currency ?? "USD"), unit: "" }, wins(spent, best.cost)],
          ] as const
        ).map(([name, parts, win]) => (
          <div key={name} className="min-w-0 py-1.5 pl-4 whitespace-nowrap">
            <dt className="truncate text-axis text-ink-3">{name}</dt>
            <dd className={`text-body/5 font-semibold ${win ? "text-ai-strong" : ""}`}>
              {parts?.value ?? "–"} <small className="text-cap font-normal text-ink-2">{[parts?.unit, win ? t("playground.best") : ""].filter(Boolean).join(" ")}</small>
            </dd>
          </div>
        ))}
      </dl>
      <div className="flex h-[38px] shrink-0 items-center gap-2 border-t border-line pr-2 pl-4 text-cap text-ink-3">
        {busy ? (
          <Streaming since={column.startedAt} loading={column.growing === ""} />
        ) : id !== "" || (column.fault?.requestId ?? "") !== "" ? (
          <>
            <code className="font-mono">{shortId(id || (column.fault?.requestId ?? ""), 16)}</code>
            <CopyButton text={id || (column.fault?.requestId ?? "")} label={t("common.copyId")} />
            <span className="flex-1" />
            {id === "" ? null : (
              <Link to="/calls/{-$callId}" params={{ callId: id }}>
                {t("playground.explain")}
              </Link>
            )}
          </>
        ) : null}
      </div>
    </section>
  );
}

/** How long it runs so far; at first nothing may have come. */
function Streaming({ since, loading }: { since: number; loading: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(performance.now()), 100);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <span role="status" aria-live="off" className="ml-auto">
      {t(loading ? "playground.waiting" : "playground.streaming", { time: format.duration(Math.max(0, now - since)) })}
    </span>
  );
}

function Messages({ column }: { column: Held }) {
  const { t } = useTranslation();
  const frame = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight;
  }, [column.growing, column.messages]);
  return (
    <div
      ref={frame}
      tabIndex={0}
      role="log"
      aria-label={t("playground.conversation")}
      className="flex min-h-0 flex-1 flex-col gap-3.5 overflow-y-auto p-4"
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {column.messages.length === 0 ? <p className="m-auto max-w-[260px] text-center text-ui text-ink-3">{t("playground.askSomething")}</p> : null}
      {column.messages.map((message, place) =>
        message.role === "user" ? (
          <div key={place} className="rounded-panel border border-line bg-sunk px-3 py-2 text-ui whitespace-pre-wrap text-ink-2 [overflow-wrap:anywhere]">
            {message.content}
          </div>
        ) : (
          <Markdown key={place} text={message.content} />
        ),
      )}
      {column.growing === null ? null : (
        <div className="text-body whitespace-pre-wrap [overflow-wrap:anywhere]">
          {column.growing === "" ? null : <Markdown text={column.growing} />}
          <span className="ml-0.5 inline-block h-4 w-[7px] bg-ai align-[-3px] motion-safe:animate-pulse" aria-hidden="true" />
        </div>
      )}
      {column.fault === null ? null : (
        <div role="alert" className="rounded-panel bg-shu-wash px-3 py-2 text-ui text-shu">
          ▲ {column.fault.code === "unreachable" ? t("playground.unreachable", { base: location.origin }) : column.fault.message} {column.fault.status === 0 ? "" : `(${column.fault.status}${column.fault.code === "" ? "" : `, ${column.fault.code}`})`}
        </div>
      )}
    </div>
  );
}
