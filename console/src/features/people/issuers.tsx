/** By whose word people come in: the company logins, each with what has to be registered over there. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Switch } from "@/components/field";
import { Empty, Failed, Panel, Rows, Skeleton, Tag, Verdict } from "@/components/panel";
import { toast } from "@/components/toast";
import { Callback, IssuerForm } from "@/features/people/issuer-form";
import { useFormat } from "@/i18n";
import type { Role } from "@/lib/api/contract";
import { request, tagged } from "@/lib/api/request";
import type { Issuer, IssuerList } from "@/lib/api/types";

interface Props {
  /** The form for a new one is open. */
  adding: boolean;
  /** The one that is being changed. */
  changing: string | undefined;
  onAdd: () => void;
  onChange: (name: string) => void;
  onClose: () => void;
}

export function Issuers({ adding, changing, onAdd, onChange, onClose }: Props) {
  const { t } = useTranslation();
  const told = useQuery({ queryKey: ["issuers", "list"], queryFn: async () => (await request<IssuerList>("GET", "/api/issuers")).issuers });
  const [removing, setRemoving] = useState<Issuer>();
  const issuers = told.data ?? [];
  const on = issuers.filter((issuer) => issuer.enabled);
  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4 sm:px-6 sm:py-5">
      {told.isPending ? (
        <Rows />
      ) : told.isError ? (
        <Failed error={told.error} again={() => void told.refetch()} />
      ) : issuers.length === 0 ? (
        <Empty
          text={t("issuers.none")}
          act={
            <Button kind="primary" onClick={onAdd}>
              {t("issuers.add")}
            </Button>
          }
        />
      ) : (
        <div className="mx-auto flex max-w-[960px] flex-col gap-3">
          <Verdict evidence={t("issuers.passwordsGoOn")}>{on.length === 0 ? t("issuers.allOff") : t("issuers.verdict", { count: on.length })}</Verdict>
          {issuers.map((issuer) => (
            <One key={issuer.id} issuer={issuer} onChange={() => onChange(issuer.name)} onRemove={() => setRemoving(issuer)} />
          ))}
        </div>
      )}
      {adding ? <IssuerForm onClose={onClose} /> : null}
      {changing === undefined ? null : <Opened key={changing} name={changing} onClose={onClose} />}
      {removing === undefined ? null : <Remove issuer={removing} onClose={() => setRemoving(undefined)} />}
    </div>
  );
}

function One({ issuer, onChange, onRemove }: { issuer: Issuer; onChange: () => void; onRemove: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const groups = Object.entries(issuer.group_roles);
  // What it is switched to holds whatever else was changed meanwhile, so no version is named.
  const switching = useMutation({
    mutationFn: (enabled: boolean) => request<Issuer>("PATCH", `/api/issuers/${issuer.name}`, { body: { enabled } }),
    onSuccess: (changed) => {
      client.setQueryData<Issuer[]>(["issuers", "list"], (held) => held?.map((each) => (each.id === changed.id ? changed : each)));
      toast(t(changed.enabled ? "issuers.isOn" : "issuers.isOff", { title: changed.title }), { undo: () => switching.mutate(!changed.enabled) });
    },
    onError: (error) => toast(error.message, { failed: true }),
  });
  const enabled = switching.isPending ? switching.variables : issuer.enabled;
  return (
    <Panel
      title={issuer.title}
      sub={<Tag tone={enabled ? "fine" : "plain"}>{enabled ? `● ${t("issuers.on")}` : `○ ${t("issuers.off")}`}</Tag>}
      right={
        <>
          <Switch label={t("issuers.switch", { title: issuer.title })} checked={enabled} onChange={(next) => switching.mutate(next)} />
          <Button size="small" onClick={onChange} aria-label={t("issuers.changeOf", { title: issuer.title })}>
            {t("account.edit")}
          </Button>
          <Button size="small" kind="danger" onClick={onRemove} aria-label={t("issuers.removeOf", { title: issuer.title })}>
            {t("issuers.remove")}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3 border-t border-line px-3.5 py-3">
        <dl className="grid grid-cols-1 gap-x-6 text-ui max-sm:[&>dd]:mb-2 sm:grid-cols-[minmax(120px,200px)_minmax(0,1fr)] sm:gap-y-1.5">
          <dt className="text-ink-3">{t("issuers.fields.issuer")}</dt>
          <dd className="font-mono [overflow-wrap:anywhere]">{issuer.issuer}</dd>
          <dt className="text-ink-3">{t("issuers.fields.client_id")}</dt>
          <dd className="[overflow-wrap:anywhere]">
            <span className="font-mono">{issuer.client_id}</span> <span className="text-cap text-ink-3">{t(issuer.has_secret ? "issuers.withSecret" : "issuers.withoutSecret")}</span>
          </dd>
          <dt className="text-ink-3">{t("issuers.who")}</dt>
          <dd className="flex flex-wrap gap-1.5">
            {groups.map(([group, role]) => (
              <Tag key={group} tone="ai">
                {group} → {t(`role.${role as Role}`)}
              </Tag>
            ))}
            <Tag>
              {t(groups.length === 0 ? "issuers.newcomers" : "issuers.others")} → {issuer.default_role === null ? t("issuers.nobody") : t(`role.${issuer.default_role as Role}`)}
            </Tag>
          </dd>
          {issuer.link_by_email ? (
            <>
              <dt className="text-ink-3">{t("issuers.fields.link_by_email")}</dt>
              <dd className="text-odo">◆ {t("issuers.linksNow")}</dd>
            </>
          ) : null}
          {issuer.ca_bundle === null ? null : (
            <>
              <dt className="text-ink-3">{t("issuers.fields.ca_bundle")}</dt>
              <dd>{t("issuers.ownBundle")}</dd>
            </>
          )}
          <dt className="text-ink-3">{t("issuers.changedAt")}</dt>
          <dd>{format.full(new Date(issuer.updated_at))}</dd>
        </dl>
        <Callback address={issuer.redirect_uri} />
      </div>
    </Panel>
  );
}

/** The one that the address names, with the version from which it is changed. */
function Opened({ name, onClose }: { name: string; onClose: () => void }) {
  const { t } = useTranslation();
  const opened = useQuery({ queryKey: ["issuers", "opened", name], queryFn: () => tagged<Issuer>("GET", `/api/issuers/${name}`), staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false });
  if (opened.data !== undefined) return <IssuerForm opened={opened.data} onClose={onClose} />;
  return (
    <Dialog open onClose={onClose} title={t("issuers.changeTitle", { title: name })} width={600}>
      {opened.isError ? <Failed error={opened.error} again={() => void opened.refetch()} /> : <Skeleton className="h-80" />}
      <DialogFoot>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
      </DialogFoot>
    </Dialog>
  );
}

function Remove({ issuer, onClose }: { issuer: Issuer; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const removing = useMutation({
    mutationFn: () => request("DELETE", `/api/issuers/${issuer.name}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["issuers"] });
      toast(t("issuers.removed", { title: issuer.title }));
      onClose();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("issuers.removeTitle", { title: issuer.title })} width={460} focus="[data-cancel]">
      {removing.isError ? <Failed error={removing.error} /> : null}
      <p className="text-body text-ink-2">{t("issuers.removeWhat")}</p>
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" busy={removing.isPending ? t("issuers.removing") : false} onClick={() => removing.mutate()}>
          {t("issuers.removeVerb", { title: issuer.title })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
