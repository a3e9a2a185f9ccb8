/** One call explained: a sentence, facts, where its time went, its tokens and what they cost. */
import type { TFunction } from "i18next";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton, copyText } from "@/components/copy";
import { Drawer } from "@/components/drawer";
import { Facts, Failed, Skeleton } from "@/components/panel";
import { toast } from "@/components/toast";
import { Lens } from "@/features/calls/lens";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Call, Model } from "@/lib/api/types";
import { gatewayBase } from "@/lib/gateway";
import { shortId } from "@/lib/format";
import { snippets } from "@/lib/snippets";
import { useStatus } from "@/lib/status";

interface Props {
  id: string;
  known: Call | undefined;
  onStep: (by: number) => void;
  onClose: () => void;
}

export function CallDrawer({ id, known, onStep, onClose }: Props) {
  const { t } = useTranslation();
  const port = useStatus().data?.ports.gateway;
  const told = useQuery({ queryKey: ["calls", "one", id], queryFn: () => request<Call>("GET", `/api/calls/${encodeURIComponent(id)}`), placeholderData: known, staleTime: Number.POSITIVE_INFINITY, retry: 3, retryDelay: 700 });
  const call = told.data;
  const curl = () => (call === undefined ? "" : snippets(gatewayBase(port), { model: call.model, messages: [{ role: "user", content: "…" }], ...(call.stream ? { stream: true } : {}) }).curl);
  return (
    <Drawer
      label={t("calls.drawer")}
      onClose={onClose}
      head={
        <>
          <Button kind="quiet" icon="left" aria-label={t("calls.previous")} onClick={() => onStep(-1)} />
          <Button kind="quiet" icon="right" aria-label={t("calls.next")} onClick={() => onStep(1)} />
          <code className="min-w-0 truncate font-mono text-ui" title={id}>
            {shortId(call?.request_id ?? id, 24)}
          </code>
          <CopyButton text={call?.request_id ?? id} label={t("common.copyId")} />
          <span className="flex-1" />
        </>
      }
      foot={
        call === undefined ? null : (
          <>
            <Button icon="copy" onClick={() => void copyText(curl()).then(() => toast(t("common.copied")))}>
              {t("calls.copyCurl")}
            </Button>
            <Button icon="terminal" onClick={() => void copyText(`sekisho calls show ${call.id}`).then(() => toast(t("common.copied")))}>
              sekisho calls show
            </Button>
            <Link to="/calls/{-$callId}" params={{ callId: undefined }} search={{ model: call.model, key: call.key_id, status: call.status }} className="text-ui">
              {t("calls.likeThis")}
            </Link>
          </>
        )
      }
    >
      {call === undefined ? told.isError ? <Failed error={told.error} again={() => void told.refetch()} /> : <Skeleton className="h-80" /> : <Explained call={call} />}
    </Drawer>
  );
}

export function sentenceOf(call: Call, t: TFunction, duration: string): string {
  if (call.status === "cancelled") return t("calls.saidCancelled", { duration });
  if (call.status === "failed") {
    if (call.error?.code === "worker_lost") return t("calls.saidLost");
    return t("calls.saidFailed", { provider: call.provider, reason: call.error?.message ?? t("calls.noReason"), code: call.upstream_status ?? call.http_status });
  }
  return call.attempts > 1 ? t("calls.saidRetried", { count: call.attempts, n: call.attempts, model: call.model }) : t("calls.saidCompleted", { model: call.model, duration });
}

function Explained({ call }: { call: Call }) {
  const { t } = useTranslation();
  const format = useFormat();
  const duration = format.durationParts(call.duration_ms);
  const first = call.ttfb_ms === null ? null : format.durationParts(call.ttfb_ms);
  return (
    <div className="flex flex-col gap-3">
      <div>
        <h2 className="text-title font-semibold">{sentenceOf(call, t, format.duration(call.duration_ms))}</h2>
        <p className="text-cap/[20px] text-ink-2">
          <span title={new Date(call.started_at).toISOString()}>{format.full(new Date(call.started_at))}</span> ·{" "}
          <Trans
            i18nKey="calls.byKey"
            values={{ label: call.key_label }}
            components={{
              a: (
                <Link to="/keys/{-$keyId}" params={{ keyId: call.key_id }}>
                  {null}
                </Link>
              ),
            }}
          />{" "}
          · {t("keys.project")} {call.project} · {call.stream ? t("calls.streamed") : t("calls.whole")}
        </p>
      </div>
      <Facts
        facts={[
          { name: t("calls.status"), value: call.http_status, unit: t(`calls.statuses.${call.status as "failed"}`) },
          { name: t("calls.duration"), ...duration },
          { name: t("calls.firstToken"), value: first?.value ?? "–", unit: first?.unit ?? "" },
          { name: t("metric.cost"), value: call.cost === null ? t("calls.unpriced") : format.money(call.cost, call.currency ?? "USD", Number(call.cost) === 0 ? undefined : Number(call.cost) >= 1 ? 2 : 4) },
        ]}
      />
      {call.error === null ? null : (
        <div className="rounded-panel bg-shu-wash px-3 py-2 text-ui text-shu">
          ▲ {call.error.message} <code className="font-mono">[{call.error.code}]</code>
        </div>
      )}
      <Lens call={call} />
      <Costs call={call} />
      <div>
        <h3 className="mb-1 text-ui font-semibold">{t("calls.whoWhere")}</h3>
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 text-ui/6">
          {(
            [
              [t("calls.route"), <code className="font-mono">{`${call.method} ${call.path}`}</code>],
              [t("word.provider"), call.provider],
              [t("calls.sentAs"), call.upstream_model],
              [t("calls.attempts"), String(call.attempts)],
              [t("calls.client"), [call.address, call.user_agent].filter(Boolean).join(" · ")],
              [t("calls.sizes"), `${format.bytes(call.bytes_in)} → ${format.bytes(call.bytes_out)}`],
              [t("calls.finish"), call.finish_reason ?? "–"],
              ...(call.client_request_id === null ? [] : [[t("calls.clientId"), <code className="font-mono">{call.client_request_id}</code>]]),
            ] as [string, React.ReactNode][]
          ).map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-ink-3">{name}</dt>
              <dd className="min-w-0 [overflow-wrap:anywhere]">{value}</dd>
            </div>
          ))}
        </dl>
      </div>
      <p className="text-cap text-ink-3">{t("calls.promptNotKept")}</p>
    </div>
  );
}

/** Tokens times rate. The rate is today's; where it does not give the recorded cost, only the cost is shown. */
function Costs({ call }: { call: Call }) {
  const { t } = useTranslation();
  const format = useFormat();
  const model = useQuery({ queryKey: ["models", "one", call.model], queryFn: () => request<Model>("GET", `/api/models/${call.model}`), retry: false, staleTime: 60_000 });
  const rate = model.data?.rate ?? null;
  const fresh = call.input_tokens - call.cached_tokens;
  const lines: [string, number, string | null][] = [
    [t("calls.input"), fresh, rate?.input_price ?? null],
    ...(call.cached_tokens > 0 ? [[t("calls.cached"), call.cached_tokens, rate?.cached_input_price ?? rate?.input_price ?? null] as [string, number, string | null]] : []),
    [t("calls.output"), call.output_tokens, rate?.output_price ?? null],
  ];
  const sum = lines.reduce((total, [, tokens, price]) => total + (tokens * Number(price ?? 0)) / 1e6, 0);
  const agrees = rate !== null && call.cost !== null && Math.abs(sum - Number(call.cost)) < 1e-8 + Number(call.cost) * 0.001;
  return (
    <div>
      <div className="mb-1 flex items-baseline gap-2">
        <h3 className="text-ui font-semibold">{t("calls.tokensCost")}</h3>
        <span className="text-cap text-ink-3">
          {call.usage_source === "estimated" ? t("calls.estimated") : call.usage_source === "unknown" ? t("calls.unknownUsage") : ""}
          {agrees ? `${t("calls.priceSource", { source: rate.source })}${rate.since === null ? "" : `, ${format.date(new Date(rate.since))}`}` : ""}
        </span>
      </div>
      <div className="text-ui/6">
        {lines.map(([name, tokens, price]) => (
          <div key={name} className="flex justify-between gap-3 border-b border-line">
            <span>
              {name} {format.exact(tokens)}
            </span>
            {agrees && price !== null ? (
              <span className="text-ink-2">
                × {format.money(price, rate.currency, 2)}/M = {format.money((tokens * Number(price)) / 1e6, rate.currency, 6)}
              </span>
            ) : null}
          </div>
        ))}
        {call.reasoning_tokens > 0 ? <div className="border-b border-line text-ink-2">{t("calls.reasoning", { n: format.exact(call.reasoning_tokens) })}</div> : null}
        <div className="flex justify-between gap-3">
          <b>{t("metric.cost")}</b>
          <b>
            {call.cost === null ? (
              <Link to="/models" search={{ show: "unpriced" }}>
                {t("calls.unpriced")}
              </Link>
            ) : (
              format.money(call.cost, call.currency ?? "USD", 6)
            )}
          </b>
        </div>
      </div>
    </div>
  );
}
