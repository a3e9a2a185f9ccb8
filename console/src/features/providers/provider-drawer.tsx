/** One provider: its state, credentials, models; test, refresh, replace the credential, remove. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Drawer } from "@/components/drawer";
import { SecretField, TextField } from "@/components/field";
import { Icon, StateMark } from "@/components/icon";
import { Facts, Failed, Skeleton, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { Provider, ProviderRefreshed, ProviderTested, ProviderWritten, Row } from "@/lib/api/types";
import { providersQuery } from "@/lib/catalog";
import { providerState } from "@/lib/provider-state";

export function ProviderDrawer({ name, row, onClose }: { name: string; row: Row | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [doing, setDoing] = useState<"credential" | "remove" | null>(null);
  const told = useQuery(providersQuery);
  const provider = told.data?.find((each) => each.name === name || each.id === name);
  const testing = useMutation({ mutationFn: () => request<ProviderTested>("POST", `/api/providers/${name}/test`), onSettled: () => void client.invalidateQueries({ queryKey: ["providers"] }) });
  const refreshing = useMutation({
    mutationFn: () => request<ProviderRefreshed>("POST", `/api/providers/${name}/refresh`),
    onSuccess: (answer) => {
      void client.invalidateQueries({ queryKey: ["providers"] });
      void client.invalidateQueries({ queryKey: ["models"] });
      toast(t("providers.refreshed", { added: answer.added.length, removed: answer.removed.length }));
    },
  });
  const state = provider === undefined ? "off" : providerState(provider, row);
  return (
    <Drawer
      label={t("providers.drawer")}
      onClose={onClose}
      head={
        <>
          <StateMark state={state} label={t(`state.${state}`)} />
          <b className="min-w-0 flex-1 truncate">{name}</b>
        </>
      }
      foot={
        provider === undefined ? null : (
          <>
            <Button busy={testing.isPending ? t("providers.testing") : false} onClick={() => testing.mutate()}>
              {t("providers.test")}
            </Button>
            <Button busy={refreshing.isPending ? t("providers.refreshing") : false} onClick={() => refreshing.mutate()}>
              {t("providers.refresh")}
            </Button>
            <Button onClick={() => setDoing("credential")}>{t("providers.replaceCredential")}</Button>
            <span className="flex-1" />
            <Button kind="danger" onClick={() => setDoing("remove")}>
              {t("providers.remove")}
            </Button>
          </>
        )
      }
    >
      {provider === undefined ? (
        told.isPending ? (
          <Skeleton className="h-40" />
        ) : told.isError ? (
          <Failed error={told.error} again={() => void told.refetch()} />
        ) : (
          <p className="text-ui text-ink-2">{t("error.nothingHere")}</p>
        )
      ) : (
        <div className="flex flex-col gap-4">
          <div>
            <h2 className="text-title font-semibold">{t(`providers.said.${provider.enabled ? (provider.state as "ready") : "off"}`, { name: provider.name })}</h2>
            <p className="font-mono text-cap break-all text-ink-2">
              {provider.kind} · {provider.base_url}
            </p>
          </div>
          {testing.data !== undefined ? <Tested result={testing.data} /> : null}
          {testing.isError ? <Failed error={testing.error} /> : null}
          {refreshing.isError ? <Failed error={refreshing.error} /> : null}
          <Facts
            facts={[
              { name: t("keys.calls24"), value: format.count(row?.calls ?? 0) },
              { name: t("metric.failed"), value: row === undefined || row.calls === 0 ? "–" : format.percent(row.failed / row.calls) },
              { name: t("metric.duration"), ...(row?.duration_ms == null ? { value: "–" } : format.durationParts(row.duration_ms)) },
              { name: t("metric.firstByte"), ...(row?.ttfb_ms == null ? { value: "–" } : format.durationParts(row.ttfb_ms)) },
            ]}
          />
          <div>
            <h3 className="mb-1 text-ui font-semibold">{t("providers.credentials")}</h3>
            {provider.credentials.length === 0 ? (
              <p className="text-ui text-ink-3">{t("providers.noCredential")}</p>
            ) : (
              <ul>
                {provider.credentials.map((credential) => (
                  <li key={credential.id} className="flex flex-wrap items-center gap-x-4 gap-y-0.5 border-b border-line py-1.5 text-ui last:border-0">
                    <code className="font-mono">••••{credential.last4}</code>
                    <span className="text-cap text-ink-3">{t("providers.weight", { n: credential.weight })}</span>
                    <span className="text-cap text-ink-3" title={credential.fingerprint}>
                      {credential.fingerprint.slice(0, 16)}
                    </span>
                    <span className="ml-auto text-cap text-ink-2">{t("keys.madeAt", { time: format.date(new Date(credential.created_at)) })}</span>
                  </li>
                ))}
              </ul>
            )}
          </div>
          <div>
            <h3 className="mb-1 flex gap-2 text-ui font-semibold">
              {t("nav.models")} <span className="font-normal text-ink-3">{provider.models.length}</span>
              <Link to="/models" search={{ provider: provider.name }} className="ml-auto text-cap font-normal">
                {t("overview.all")}
              </Link>
            </h3>
            <div className="flex flex-wrap gap-1.5">
              {provider.models.slice(0, 40).map((model) => (
                <Tag key={model} tone="ai">
                  {model}
                </Tag>
              ))}
            </div>
          </div>
          <Link to="/calls/{-$callId}" params={{ callId: undefined }} search={{ provider: provider.name, last: "24h" }}>
            {t("providers.itsCalls")}
          </Link>
        </div>
      )}
      {doing === "credential" && provider !== undefined ? <ReplaceCredential provider={provider} onClose={() => setDoing(null)} /> : null}
      {doing === "remove" && provider !== undefined ? (
        <Remove
          provider={provider}
          calls={row?.calls ?? 0}
          onClose={() => setDoing(null)}
          onGone={() => {
            setDoing(null);
            onClose();
          }}
        />
      ) : null}
    </Drawer>
  );
}

function Tested({ result }: { result: ProviderTested }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!result.ok)
    return (
      <p role="alert" className="rounded-panel bg-shu-wash px-3 py-2 text-ui text-shu">
        ▲ {result.error ?? t("error.unknown")}
      </p>
    );
  return (
    <p role="status" className="flex items-center gap-2 rounded-panel bg-roku-wash px-3 py-2 text-ui text-roku">
      <Icon name="check" />
      {t("providers.testPassed", { time: format.duration(result.latency_ms ?? 0), count: result.models })}
    </p>
  );
}

function ReplaceCredential({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [secret, setSecret] = useState("");
  const replacing = useMutation({
    mutationFn: () => request<ProviderWritten>("PATCH", `/api/providers/${provider.name}`, { body: { api_key: secret.trim() } }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["providers"] });
      toast(t("providers.replaced", { name: provider.name }));
      onClose();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("providers.replaceCredential")} subtitle={t("providers.replaceWhat", { name: provider.name })} width={480}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (secret.trim() !== "") replacing.mutate();
        }}
      >
        <SecretField label={t("providers.secret")} help={t("providers.secretHelp")} value={secret} error={replacing.error instanceof ApiError ? replacing.error.message : undefined} onChange={(event) => setSecret(event.target.value)} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" disabled={secret.trim() === ""} busy={replacing.isPending ? t("common.saving") : false}>
            {t("providers.replaceCredential")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

function Remove({ provider, calls, onClose, onGone }: { provider: Provider; calls: number; onClose: () => void; onGone: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const removing = useMutation({
    mutationFn: () => request("DELETE", `/api/providers/${provider.name}`),
    onSuccess: () => {
      client.setQueryData<Provider[]>(providersQuery.queryKey, (held) => held?.filter((each) => each.id !== provider.id));
      void client.invalidateQueries({ queryKey: ["models"] });
      toast(t("providers.removed", { name: provider.name }));
      onGone();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("providers.removeTitle", { name: provider.name })} width={480} focus="[data-cancel]">
      <p className="mb-3 rounded-panel bg-sunk px-3 py-2 text-ui">{t("providers.removeEvidence", { models: provider.models.length, count: calls, calls: format.count(calls) })}</p>
      {removing.isError ? <Failed error={removing.error} /> : null}
      <TextField label={<Trans i18nKey="keys.typeName" values={{ label: provider.name }} components={{ code: <code className="font-mono" /> }} />} value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim() !== provider.name} busy={removing.isPending ? t("providers.removing") : false} onClick={() => removing.mutate()}>
          {t("providers.removeVerb", { name: provider.name })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
