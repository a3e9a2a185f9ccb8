/** The first call, made from the page with the key just made; then its row, as it arrives in the calls. */
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Icon, StateMark } from "@/components/icon";
import { Menu } from "@/components/menu";
import { useFormat } from "@/i18n";
import type { Call } from "@/lib/api/types";
import { type Answered, chat, GatewayError } from "@/lib/gateway";
import { live } from "@/lib/live";
import { gateTime } from "@/lib/strip";

export function FirstCall({ plainKey, models }: { plainKey: string; models: readonly string[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [chosen, setChosen] = useState<string | null>(null);
  const [question, setQuestion] = useState<string>(t("setup.question"));
  const [answer, setAnswer] = useState("");
  const [state, setState] = useState<"idle" | "running" | Answered | GatewayError>("idle");
  const [recent, setRecent] = useState<Call[]>([]);
  const model = chosen ?? models.find((id) => !id.startsWith("sandbox/")) ?? "sandbox/lorem";
  const id = typeof state === "object" && "requestId" in state ? state.requestId : "";

  // The record may arrive before the answer has been read to its end, so all that arrives is kept for a while.
  useEffect(() => live.subscribe((calls) => setRecent((held) => [...calls, ...held].slice(0, 200))), []);
  const row = recent.find((call) => call.request_id === id) ?? null;

  async function send() {
    setAnswer("");
    setState("running");
    try {
      setState(await chat({ key: plainKey, body: { model, messages: [{ role: "user", content: question }] }, onText: (piece) => setAnswer((held) => held + piece) }));
    } catch (error) {
      setState(error instanceof GatewayError ? error : new GatewayError(0, "", String(error), ""));
    }
  }

  const told = typeof state === "object" && !(state instanceof GatewayError) ? state : null;
  const gate = row === null ? (told?.gateMs ?? null) : gateTime(row) / 1000;
  return (
    <>
      <div className="overflow-hidden rounded-panel border border-line bg-surface">
        <div className="flex items-center gap-3 border-b border-line px-3.5 py-1 text-cap">
          <b>{t("setup.tryHere")}</b>
          <span className="flex-1" />
          <Menu
            align="end"
            label={t("word.model")}
            trigger={
              <button type="button" className="inline-flex min-h-7 items-center gap-1.5 max-sm:min-h-11">
                {model} <Icon name="down" size={13} />
              </button>
            }
            entries={models.map((each) => ({ label: each, chosen: each === model, act: () => setChosen(each) }))}
          />
        </div>
        <div className="flex flex-wrap items-center gap-3 px-3.5 py-2.5">
          <input aria-label={t("playground.prompt")} value={question} onChange={(event) => setQuestion(event.target.value)} className="h-9 min-w-0 flex-1 basis-52 rounded-control bg-transparent text-body" />
          <Button kind="primary" busy={state === "running" ? t("setup.sending") : false} onClick={() => void send()}>
            {state === "idle" || state === "running" ? t("setup.send") : t("setup.sendAgain")}
          </Button>
        </div>
        {state instanceof GatewayError ? (
          <p role="alert" className="bg-shu-wash px-3.5 py-2 text-ui text-shu">
            ▲ {state.status === 0 ? t("playground.unreachable", { base: location.origin }) : `${state.message} (${state.status})`}
          </p>
        ) : null}
        {told === null ? null : (
          <p role="status" className="flex items-center gap-2 bg-roku-wash px-3.5 py-2 text-ui font-semibold text-roku">
            <Icon name="check" /> {t("setup.passed")}
            <Link to="/calls/{-$callId}" params={{ callId: told.requestId }} className="ml-auto font-normal">
              {t("setup.explainCall")}
            </Link>
          </p>
        )}
        {answer === "" ? null : <p className="border-t border-line px-3.5 py-3 text-body/6 whitespace-pre-wrap">{answer}</p>}
        {told === null ? null : (
          <dl className="grid grid-cols-2 border-t border-line sm:grid-cols-4">
            {(
              [
                [t("metric.firstToken"), told.firstTokenMs === null ? null : format.durationParts(told.firstTokenMs)],
                [t("calls.duration"), format.durationParts(told.totalMs)],
                [t("metric.tokens"), told.usage === null ? null : { value: `${told.usage.input} → ${told.usage.output}`, unit: "" }],
                [t("setup.atGate"), gate === null ? null : format.durationParts(gate)],
              ] as const
            ).map(([name, parts]) => (
              <div key={name} className="border-line px-3.5 py-2 sm:not-first:border-l">
                <dt className="text-cap text-ink-3">{name}</dt>
                <dd className="text-[16px]/[22px] font-semibold">
                  {parts?.value ?? "–"} <small className="text-cap font-normal text-ink-2">{parts?.unit}</small>
                </dd>
              </div>
            ))}
          </dl>
        )}
      </div>
      {row === null ? null : (
        <div className="animate-rise">
          <p className="mb-1.5 flex items-center gap-2 text-ui">
            <StateMark state="serving" /> <b className="text-cap font-normal text-ink-2">{t("shell.live")}</b> {t("setup.arrived")}
          </p>
          <Link to="/calls/{-$callId}" params={{ callId: row.id }} className="flex flex-wrap items-center gap-x-6 rounded-panel border border-line bg-surface px-3 py-1.5 text-ui text-ink hover:bg-sunk hover:no-underline">
            <span className="font-mono">{format.listTime(new Date(row.started_at))}</span>
            <span className="inline-flex items-center gap-1.5">
              <StateMark state="serving" /> {row.http_status}
            </span>
            <span className="min-w-0 flex-1 truncate">{row.model}</span>
            <span className="text-ink-2">{row.key_label}</span>
            <span>{format.duration(row.duration_ms)}</span>
            <span>{row.cost === null ? t("calls.unpriced") : format.money(row.cost, row.currency ?? "USD")}</span>
          </Link>
        </div>
      )}
    </>
  );
}
