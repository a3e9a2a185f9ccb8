/** One call to the API from its drawer, streamed as any program would get it: by the gateway, with the console's own short-lived key. */
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { TextField } from "@/components/field";
import { Icon } from "@/components/icon";
import { useFormat } from "@/i18n";
import { type Answered, chat, GatewayError, playgroundKey } from "@/lib/gateway";

type State = "idle" | "running" | "stopped" | Answered | GatewayError;

export function Trial({ name, off }: { name: string; off: string | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [prompt, setPrompt] = useState<string>(t("playground.example"));
  const [answer, setAnswer] = useState("");
  const [state, setState] = useState<State>("idle");
  const controller = useRef<AbortController | null>(null);
  useEffect(() => () => controller.current?.abort(), []);

  async function send(event: SyntheticEvent) {
    event.preventDefault();
    if (prompt.trim() === "" || state === "running" || off !== undefined) return;
    const own = new AbortController();
    controller.current = own;
    let text = "";
    let frame = 0;
    const paint = () => {
      frame = 0;
      setAnswer(text);
    };
    setAnswer("");
    setState("running");
    try {
      const told = await chat({
        key: await playgroundKey(t("playground.keyLabel")),
        body: { model: name, messages: [{ role: "user", content: prompt.trim() }] },
        signal: own.signal,
        onText: (piece) => {
          text += piece;
          if (frame === 0) frame = requestAnimationFrame(paint);
        },
      });
      setState(told);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") setState("stopped");
      else setState(error instanceof GatewayError ? error : new GatewayError(0, "", error instanceof Error ? error.message : String(error), ""));
    } finally {
      cancelAnimationFrame(frame);
      setAnswer(text);
      void client.invalidateQueries({ queryKey: ["calls", "of-api", name] });
    }
  }

  const told = typeof state === "object" && !(state instanceof GatewayError) ? state : null;
  return (
    <section aria-label={t("apis.test")} className="overflow-hidden rounded-panel border border-line">
      <form onSubmit={(event) => void send(event)} className="flex flex-wrap items-center gap-2 p-2">
        <div className="min-w-0 flex-1 basis-52">
          <TextField hideLabel label={t("playground.prompt")} value={prompt} autoComplete="off" onChange={(event) => setPrompt(event.target.value)} />
        </div>
        {state === "running" ? (
          <Button icon="stop" onClick={() => controller.current?.abort()}>
            {t("playground.stop")}
          </Button>
        ) : (
          <Button type="submit" kind="primary" disabled={off !== undefined || prompt.trim() === ""} title={off}>
            {t(state === "idle" ? "apis.send" : "apis.sendAgain")}
          </Button>
        )}
      </form>
      {off === undefined ? null : <p className="border-t border-line px-3 py-2 text-cap text-ink-3">{off}</p>}
      {state === "running" && answer === "" ? (
        <p role="status" className="border-t border-line px-3 py-2 text-ui text-ink-3">
          {t("apis.waiting")}
        </p>
      ) : null}
      {answer === "" ? null : (
        <p tabIndex={0} aria-label={t("apis.answer")} role="log" className="max-h-[240px] overflow-y-auto border-t border-line px-3 py-2.5 text-body whitespace-pre-wrap [overflow-wrap:anywhere]">
          {answer}
          {state === "running" ? <span className="ml-0.5 inline-block h-4 w-[7px] bg-ai align-[-3px] motion-safe:animate-pulse" aria-hidden="true" /> : null}
        </p>
      )}
      {state instanceof GatewayError ? (
        <p role="alert" className="border-t border-line bg-shu-wash px-3 py-2 text-ui text-shu">
          ▲ {state.code === "unreachable" ? t("playground.unreachable", { base: location.origin }) : state.message} {state.status === 0 ? "" : `(${state.status}${state.code === "" ? "" : `, ${state.code}`})`}
        </p>
      ) : state === "stopped" ? (
        <p role="status" className="border-t border-line px-3 py-2 text-cap text-ink-3">
          {t("playground.stopped")}
        </p>
      ) : told === null ? null : (
        <p role="status" className="flex flex-wrap items-center gap-x-4 gap-y-0.5 border-t border-line bg-roku-wash px-3 py-2 text-ui text-roku">
          <span className="inline-flex items-center gap-1.5 font-semibold">
            <Icon name="check" /> {t("apis.answered", { time: format.duration(told.totalMs) })}
          </span>
          {told.firstTokenMs === null ? null : <span>{t("apis.firstAfter", { time: format.duration(told.firstTokenMs) })}</span>}
          {told.usage === null ? null : <span>{t("apis.tokensOf", { input: format.count(told.usage.input), output: format.count(told.usage.output) })}</span>}
          <Link to="/calls/{-$callId}" params={{ callId: told.requestId }} className="ml-auto">
            {t("playground.explain")}
          </Link>
        </p>
      )}
    </section>
  );
}
