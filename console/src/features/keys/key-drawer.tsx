/** One key: what it may do, what it did, and the two grave acts, rotating and revoking. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Drawer } from "@/components/drawer";
import { SelectField, TextField } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Facts, Failed, Skeleton, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { keyState } from "@/features/keys/key-state";
import { Pass } from "@/components/pass";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { CallPage, Key, KeyChanged, KeyPage, KeyRevoked, KeyRotated, Row } from "@/lib/api/types";
import { useWritesIn } from "@/lib/catalog";

interface Props {
  id: string;
  known: Key | undefined;
  usage: Row | undefined;
  limits: (key: Key) => string;
  onChange: () => void;
  onClose: () => void;
}

export function KeyDrawer({ id, known, usage, limits, onChange, onClose }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [doing, setDoing] = useState<"rotate" | "revoke" | null>(null);
  const told = useQuery({ queryKey: ["keys", "one", id], queryFn: () => request<Key>("GET", `/api/keys/${id}`), placeholderData: known });
  const recent = useQuery({ queryKey: ["calls", "of-key", id], queryFn: () => request<CallPage>("GET", "/api/calls", { query: { key_id: id, limit: 100 } }) });
  const key = told.data;
  const state = key === undefined ? "active" : keyState(key, new Date());
  const calls = recent.data?.calls ?? [];
  const addresses = [...new Set(calls.map((call) => call.address))];
  const client = useQueryClient();
  const writes = useWritesIn(key?.project);
  const dead = state === "revoked" || state === "expired";
  // Off is off whatever else was changed meanwhile, so no version is named; and it can be taken back.
  const switching = useMutation({
    mutationFn: (enabled: boolean) => request<KeyChanged>("PATCH", `/api/keys/${id}`, { body: { enabled } }),
    onSuccess: (saved, enabled) => {
      client.setQueryData(["keys", "one", id], saved);
      void client.invalidateQueries({ queryKey: ["keys", "list"] });
      const warnings = saved.warnings ?? [];
      toast(warnings.length === 0 ? t(enabled ? "keys.isOn" : "keys.isOff", { label: saved.label, revision: format.exact(saved.revision) }) : warnings.join(" "), { failed: warnings.length > 0, undo: () => switching.mutate(!enabled) });
    },
    onError: (error) => toast(error.message === "" ? t("error.unreachable") : error.message, { failed: true }),
  });
  return (
    <Drawer
      label={t("keys.drawer")}
      onClose={onClose}
      head={
        <>
          <code className="min-w-0 truncate font-mono text-ui">sk-sek-{id}</code>
          <CopyButton text={id} label={t("common.copyId")} />
          <span className="flex-1" />
        </>
      }
      foot={
        key === undefined || !writes ? null : (
          <>
            <Button disabled={dead} onClick={onChange}>
              {t("keys.change")}
            </Button>
            <Button disabled={dead} busy={switching.isPending ? t(switching.variables ? "keys.switchingOn" : "keys.switchingOff") : false} onClick={() => switching.mutate(state === "disabled")}>
              {t(state === "disabled" ? "keys.switchOn" : "keys.switchOff")}
            </Button>
            <Button disabled={dead} onClick={() => setDoing("rotate")}>
              {t("keys.rotate")}
            </Button>
            <Button kind="danger" disabled={state === "revoked"} onClick={() => setDoing("revoke")}>
              {t("keys.revoke")}
            </Button>
            <span className="flex-1" />
            <code className="font-mono text-cap text-ink-3">sekisho api-keys show {id}</code>
          </>
        )
      }
    >
      {told.isError && key === undefined ? <Failed error={told.error} again={() => void told.refetch()} /> : null}
      {key === undefined ? (
        <Skeleton className="h-40" />
      ) : (
        <div className="flex flex-col gap-4">
          <div>
            <h2 className="text-title font-semibold">
              {key.label} {state === "active" ? null : <Tag tone={state === "soon" || state === "disabled" ? "slow" : "plain"}>{t(`keys.states.${state}`)}</Tag>}
            </h2>
            <p className="text-cap text-ink-2">
              {t("keys.madeAt", { time: format.date(new Date(key.created_at)) })}
              {key.created_by?.email == null ? "" : ` · ${t("keys.madeBy", { email: key.created_by.email })}`} · {t("keys.project")} {key.project} · ••••{key.last4}
            </p>
          </div>
          <Facts
            facts={[
              { name: t("keys.calls24"), value: format.count(usage?.calls ?? 0) },
              { name: t("metric.failed"), value: usage === undefined || usage.calls === 0 ? "–" : format.percent(usage.failed / usage.calls) },
              { name: t("metric.cost"), value: usage === undefined ? format.money(0) : format.money(usage.cost ?? 0, usage.currency ?? "USD") },
              { name: t("keys.lastUsed"), value: key.last_used_at === null ? "–" : format.relative(new Date(key.last_used_at)) },
            ]}
          />
          <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-ui">
            <dt className="text-ink-3">{t("keys.mayCall")}</dt>
            <dd>{key.models === null ? t("keys.allModels") : key.models.join(", ")}</dd>
            <dt className="text-ink-3">{t("keys.limits")}</dt>
            <dd>{limits(key)}</dd>
            <dt className="text-ink-3">{t("keys.expires")}</dt>
            <dd>{key.expires_at === null ? t("keys.never") : format.full(new Date(key.expires_at))}</dd>
            {key.disabled_at === null ? null : (
              <>
                <dt className="text-ink-3">{t("keys.offSince")}</dt>
                <dd>{format.full(new Date(key.disabled_at))}</dd>
              </>
            )}
            {key.rotated_at === null ? null : (
              <>
                <dt className="text-ink-3">{t("keys.rotatedAt")}</dt>
                <dd>{format.full(new Date(key.rotated_at))}</dd>
              </>
            )}
            {key.revoked_at === null ? null : (
              <>
                <dt className="text-ink-3">{t("keys.revokedAt")}</dt>
                <dd>{format.full(new Date(key.revoked_at))}</dd>
              </>
            )}
          </dl>
          <div>
            <h3 className="mb-1 text-ui font-semibold">{t("keys.addresses")}</h3>
            {recent.isPending ? <Skeleton className="h-5" /> : addresses.length === 0 ? <p className="text-ui text-ink-3">{t("keys.neverUsed")}</p> : <p className="font-mono text-ui">{addresses.slice(0, 8).join("  ")}</p>}
          </div>
          <Link to="/calls/{-$callId}" params={{ callId: undefined }} search={{ key: id, last: "7d" }}>
            {t("keys.itsCalls")}
          </Link>
        </div>
      )}
      {doing === "revoke" && key !== undefined ? <Revoke keyTold={key} calls={calls.length} addresses={addresses.length} last={calls[0]?.started_at} onClose={() => setDoing(null)} /> : null}
      {doing === "rotate" && key !== undefined ? <Rotate keyTold={key} limits={limits(key)} onClose={() => setDoing(null)} /> : null}
    </Drawer>
  );
}

/** Evidence before danger: who uses it and what stops; then its name, typed. */
function Revoke({ keyTold, calls, addresses, last, onClose }: { keyTold: Key; calls: number; addresses: number; last: string | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const revoking = useMutation({
    mutationFn: () => request<KeyRevoked>("POST", `/api/keys/${keyTold.id}/revoke`),
    onSuccess: (answer) => {
      const dead = { ...keyTold, revoked_at: answer.revoked_at };
      client.setQueryData(["keys", "one", keyTold.id], dead);
      client.setQueriesData<{ pages: KeyPage[]; pageParams: unknown[] }>({ queryKey: ["keys", "list"] }, (held) =>
        held === undefined ? held : { ...held, pages: held.pages.map((page) => ({ ...page, api_keys: page.api_keys.map((each) => (each.id === keyTold.id ? dead : each)) })) },
      );
      toast((answer.warnings ?? []).length === 0 ? t("keys.dead", { label: keyTold.label, revision: format.exact(answer.revision) }) : (answer.warnings ?? []).join(" "), { failed: (answer.warnings ?? []).length > 0 });
      onClose();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("keys.revokeTitle", { label: keyTold.label })} width={480} focus="[data-cancel]">
      <p className="mb-3 flex items-baseline gap-2 rounded-panel bg-sunk px-3 py-2 text-ui">
        <StateMark state={calls === 0 ? "off" : "slow"} />
        <span>
          {calls === 0 ? t("keys.evidenceNone") : t("keys.evidence", { count: addresses, calls: calls >= 100 ? "100+" : String(calls), last: last === undefined ? "–" : format.relative(new Date(last)) })} {t("keys.revokeStops")}
        </span>
      </p>
      {revoking.isError ? <Failed error={revoking.error} /> : null}
      <TextField label={<Trans i18nKey="keys.typeName" values={{ label: keyTold.label }} components={{ code: <code className="font-mono" /> }} />} value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim() !== keyTold.label} busy={revoking.isPending ? t("keys.revoking") : false} onClick={() => revoking.mutate()}>
          {t("keys.revokeVerb", { label: keyTold.label })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}

const overlaps = { none: 0, hour: 3600, day: 86_400, week: 604_800 } as const;
type Overlap = keyof typeof overlaps;

function Rotate({ keyTold, limits, onClose }: { keyTold: Key; limits: string; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [overlap, setOverlap] = useState<Overlap>("day");
  const rotating = useMutation({
    mutationFn: () => request<KeyRotated>("POST", `/api/keys/${keyTold.id}/rotate`, { body: { overlap_s: overlaps[overlap] } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["keys"] }),
  });
  if (rotating.data !== undefined) {
    const made = rotating.data;
    return (
      <Pass
        onClose={onClose}
        issued={{
          title: t("keys.newSecret", { label: made.label }),
          plainKey: made.plain_key,
          revision: made.revision,
          warnings: made.warnings ?? [],
          scope: keyTold.models,
          limits,
          expires: keyTold.expires_at === null ? null : new Date(keyTold.expires_at),
          overlapUntil: made.overlap_until === null ? null : new Date(made.overlap_until),
        }}
      />
    );
  }
  return (
    <Dialog open onClose={onClose} title={t("keys.rotateTitle", { label: keyTold.label })} subtitle={t("keys.rotateWhat")} width={480}>
      {rotating.isError ? <Failed error={rotating.error} /> : null}
      <SelectField label={t("keys.overlap")} help={t(overlap === "none" ? "keys.overlapNone" : "keys.overlapHelp")} value={overlap} onChange={(event) => setOverlap(event.target.value as Overlap)} options={(Object.keys(overlaps) as Overlap[]).map((value) => ({ value, label: t(`keys.overlaps.${value}`) }))} />
      <DialogFoot>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" busy={rotating.isPending ? t("keys.rotating") : false} onClick={() => rotating.mutate()}>
          {t("keys.rotate")}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
