/** Adding a company login, or changing one. It is asked for its addresses before it is added; what is wrong stands beside its field. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Conflict } from "@/components/conflict";
import { CopyButton } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { AreaField, SecretField, SelectField, Switch, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { algorithms, bodyOf, callbackOf, draftOf, emptyDraft, fieldOf, groupRoles, type IssuerDraft, type IssuerFaults, type IssuerField, wordOf } from "@/features/people/issuer-draft";
import { ApiError, isConflict, request, type Tagged, tagged } from "@/lib/api/request";
import type { Issuer } from "@/lib/api/types";
import { keep, kept } from "@/lib/preferences";
import { changedOf, differing, rebased } from "@/lib/versions";

const DRAFT = "draft.issuer";
/** Fields that stand behind "more". */
const more: readonly IssuerField[] = ["console_url", "scopes", "algorithm", "link_by_email", "ca_bundle"];
/** Where the probe found the reason not to save, it can be left out. */
const unsaved = ["invalid_value", "missing_field", "unknown_field", "name_taken"];

function drafted(): IssuerDraft {
  const empty = emptyDraft(location.origin);
  try {
    return { ...empty, ...(JSON.parse(kept(DRAFT) ?? "{}") as Partial<IssuerDraft>) };
  } catch {
    return empty;
  }
}

export function IssuerForm({ opened, onClose }: { opened?: Tagged<Issuer>; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const adding = opened === undefined;
  const [on, setOn] = useState(opened);
  const [draft, setDraft] = useState(() => (opened === undefined ? drafted() : draftOf(opened.value)));
  /** Never kept anywhere but here. */
  const [secret, setSecret] = useState("");
  const [faults, setFaults] = useState<IssuerFaults>({});
  const [unfolded, setUnfolded] = useState(false);
  const [theirs, setTheirs] = useState<Tagged<Issuer>>();
  const attempt = useRef(crypto.randomUUID());
  const address = `/api/issuers/${draft.name}`;
  const fieldName = (field: IssuerField) => t(`issuers.fields.${field}`);

  function change(part: Partial<IssuerDraft>) {
    const next = { ...draft, ...part };
    // The word follows the title until somebody writes their own.
    if (adding && part.title !== undefined && draft.name === wordOf(draft.title)) next.name = wordOf(part.title);
    setDraft(next);
    setFaults((held) => Object.fromEntries(Object.entries(held).filter(([name]) => !(name in part) && !(name === "name" && "title" in part))));
    if (adding) keep(DRAFT, JSON.stringify(next));
  }

  const saving = useMutation({
    mutationFn: (how: { probe?: boolean; base?: Tagged<Issuer>; mine?: IssuerDraft }) => {
      const key = secret === "" ? {} : { client_secret: secret };
      const base = how.base ?? on;
      if (base === undefined) return request<Issuer>("POST", "/api/issuers", { idempotencyKey: attempt.current, body: { ...bodyOf(draft), ...key, probe: how.probe ?? true } });
      return request<Issuer>("PATCH", address, { ifMatch: base.etag, body: { ...bodyOf(changedOf(draftOf(base.value), how.mine ?? draft)), ...key } });
    },
    onSuccess: (saved) => {
      if (adding) keep(DRAFT, null);
      void client.invalidateQueries({ queryKey: ["issuers"] });
      toast(t(adding ? "issuers.added" : "issuers.saved", { title: saved.title }));
      onClose();
    },
    onError: (error) => {
      attempt.current = crypto.randomUUID();
      if (isConflict(error)) return void lookAgain();
      const field = error instanceof ApiError ? fieldOf(error.fault.param) : null;
      if (field === null) return;
      if (more.includes(field)) setUnfolded(true);
      setFaults({ [field]: error.message });
    },
  });

  async function lookAgain() {
    setTheirs(await tagged<Issuer>("GET", address).catch(() => undefined));
  }

  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: IssuerFaults = {};
    for (const name of ["title", "issuer", "client_id", "console_url"] as const) if (draft[name].trim() === "") found[name] = t(`issuers.need.${name}`);
    if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(draft.name)) found.name = t("issuers.need.name");
    if (Object.keys(found).some((name) => more.includes(name as IssuerField))) setUnfolded(true);
    setFaults(found);
    if (Object.keys(found).length > 0) return;
    if (!adding && on !== undefined && secret === "" && Object.keys(changedOf(draftOf(on.value), draft)).length === 0) return onClose();
    saving.mutate({});
  }

  const refused = saving.error instanceof ApiError && !isConflict(saving.error) ? saving.error : null;
  const field = refused === null ? null : fieldOf(refused.fault.param);
  const probeFailed = adding && field === "issuer" && refused !== null && !unsaved.includes(refused.fault.code);
  const nobody = draft.default_role === "" && draft.group_roles.every((line) => line.group.trim() === "");
  const text = (name: "title" | "name" | "issuer" | "client_id" | "console_url" | "groups_claim" | "scopes") => ({
    label: fieldName(name),
    value: draft[name],
    error: faults[name],
    autoComplete: "off",
    spellCheck: false,
    onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
  });
  const shown = (name: keyof IssuerDraft, of: IssuerDraft) => {
    if (name === "group_roles") return of.group_roles.map((line) => `${line.group} → ${t(`role.${line.role}`)}`).join(", ") || t("issuers.noGroups");
    if (name === "default_role") return of.default_role === "" ? t("issuers.nobody") : t(`role.${of.default_role}`);
    if (name === "link_by_email") return t(of.link_by_email ? "issuers.yes" : "issuers.no");
    return of[name] === "" ? "–" : of[name];
  };

  return (
    <Dialog open onClose={onClose} title={adding ? t("issuers.add") : t("issuers.changeTitle", { title: opened.value.title })} subtitle={adding ? t("issuers.addWhat") : undefined} width={600}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {saving.isError && field === null && theirs === undefined ? <Failed error={saving.error} /> : null}
        {theirs === undefined || on === undefined ? null : (
          <Conflict
            differences={differing(draftOf(theirs.value), draft).map((name) => ({ name: fieldName(name), theirs: shown(name, draftOf(theirs.value)), yours: name in changedOf(draftOf(on.value), draft) ? shown(name, draft) : undefined }))}
            busy={saving.isPending}
            onTheirs={() => {
              setDraft(draftOf(theirs.value));
              setOn(theirs);
              setTheirs(undefined);
              saving.reset();
            }}
            onYours={() => {
              const mine = rebased(draftOf(on.value), draftOf(theirs.value), draft);
              setDraft(mine);
              setOn(theirs);
              setTheirs(undefined);
              saving.mutate({ base: theirs, mine });
            }}
          />
        )}
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
          <TextField {...text("title")} maxLength={100} placeholder="Example Corp." help={t("issuers.titleHelp")} />
          <TextField {...text("name")} maxLength={41} placeholder="corp" disabled={!adding} help={adding ? t("issuers.nameHelp") : t("issuers.nameStays")} />
        </div>
        <Callback address={adding ? callbackOf(draft) : callbackOf({ ...draft, name: opened.value.name })} />
        <TextField {...text("issuer")} inputMode="url" placeholder="https://login.example.com" help={t("issuers.issuerHelp")} />
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
          <TextField {...text("client_id")} />
          <SecretField
            label={fieldName("client_secret")}
            help={t(on?.value.has_secret === true ? "issuers.secretKept" : "issuers.secretHelp")}
            placeholder={on?.value.has_secret === true ? "••••••••" : undefined}
            value={secret}
            error={faults.client_secret}
            onChange={(event) => {
              setSecret(event.target.value);
              setFaults((held) => ({ ...held, client_secret: undefined }));
            }}
          />
        </div>
        <Groups draft={draft} faults={faults} nobody={nobody} onChange={change} />
        <details open={unfolded} onToggle={(event) => setUnfolded(event.currentTarget.open)} className="rounded-panel border border-line">
          <summary className="cursor-pointer px-3 py-2 text-ui font-semibold">{t("issuers.more")}</summary>
          <div className="flex flex-col gap-3.5 border-t border-line p-3">
            <TextField {...text("console_url")} inputMode="url" help={t("issuers.consoleHelp")} />
            <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
              <TextField {...text("scopes")} />
              <SelectField label={fieldName("algorithm")} error={faults.algorithm} value={draft.algorithm} onChange={(event) => change({ algorithm: event.target.value as IssuerDraft["algorithm"] })} options={algorithms.map((value) => ({ value, label: value }))} />
            </div>
            <div className="flex items-start gap-3">
              <div className="min-w-0 flex-1">
                <div className="text-ui font-semibold">{fieldName("link_by_email")}</div>
                <p className="text-cap/[20px] text-ink-3">{t("issuers.linkHelp")}</p>
              </div>
              <Switch label={fieldName("link_by_email")} checked={draft.link_by_email} onChange={(link_by_email) => change({ link_by_email })} />
            </div>
            <AreaField label={fieldName("ca_bundle")} help={t("issuers.bundleHelp")} rows={4} className="font-mono !text-cap" spellCheck={false} placeholder="-----BEGIN CERTIFICATE-----" value={draft.ca_bundle} error={faults.ca_bundle} onChange={(event) => change({ ca_bundle: event.target.value })} />
          </div>
        </details>
        {adding ? (
          <p role="status" className="text-cap text-ink-3">
            {saving.isPending ? t("issuers.probing") : t("issuers.probeFirst")}
          </p>
        ) : null}
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          {probeFailed ? (
            <Button busy={saving.isPending ? t("issuers.adding") : false} onClick={() => saving.mutate({ probe: false })}>
              {t("issuers.addAnyway")}
            </Button>
          ) : null}
          <Button kind="primary" type="submit" busy={saving.isPending ? t(adding ? "issuers.testing" : "common.saving") : false}>
            {t(adding ? "issuers.testAndAdd" : "issuers.save")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

/** What has to be told to the other house. */
export function Callback({ address }: { address: string }) {
  const { t } = useTranslation();
  return (
    <div>
      <div className="text-cap/[20px] text-ink-3">{t("issuers.callback")}</div>
      <div className="flex items-center gap-2 rounded-control bg-sunk pl-2.5">
        <code className="min-w-0 flex-1 py-1.5 font-mono text-cap/[18px] break-all">{address}</code>
        {address.includes("…") ? null : <CopyButton text={address} label={t("issuers.copyCallback")} />}
      </div>
    </div>
  );
}

/** Who becomes what: a line for each group, and what is left for all others. */
function Groups({ draft, faults, nobody, onChange }: { draft: IssuerDraft; faults: IssuerFaults; nobody: boolean; onChange: (part: Partial<IssuerDraft>) => void }) {
  const { t } = useTranslation();
  const lines = draft.group_roles;
  const set = (place: number, part: Partial<(typeof lines)[number]>) => onChange({ group_roles: lines.map((line, at) => (at === place ? { ...line, ...part } : line)) });
  return (
    <fieldset className="flex flex-col gap-2.5 rounded-panel border border-line px-3 pt-1.5 pb-3">
      <legend className="px-1 text-ui font-semibold">{t("issuers.who")}</legend>
      {lines.map((line, place) => (
        <div key={place} className="grid grid-cols-[minmax(0,1fr)_116px_auto] sm:grid-cols-[minmax(0,1fr)_160px_auto] items-start gap-2">
          <TextField hideLabel label={t("issuers.group", { n: place + 1 })} placeholder={t("issuers.groupExample")} value={line.group} autoComplete="off" spellCheck={false} onChange={(event) => set(place, { group: event.target.value })} />
          <SelectField hideLabel label={t("issuers.groupRole", { n: place + 1 })} value={line.role} onChange={(event) => set(place, { role: event.target.value as (typeof groupRoles)[number] })} options={groupRoles.map((value) => ({ value, label: t(`role.${value}`) }))} />
          <Button kind="quiet" icon="close" aria-label={t("issuers.groupDrop", { n: place + 1 })} onClick={() => onChange({ group_roles: lines.filter((_, at) => at !== place) })} />
        </div>
      ))}
      {faults.group_roles === undefined ? null : (
        <p role="alert" className="text-cap/[20px] text-shu">
          ▲ {faults.group_roles}
        </p>
      )}
      <div>
        <Button size="small" icon="plus" onClick={() => onChange({ group_roles: [...lines, { group: "", role: "user" }] })}>
          {t("issuers.groupAdd")}
        </Button>
      </div>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <SelectField
          label={lines.length === 0 ? t("issuers.newcomers") : t("issuers.others")}
          help={nobody ? t("issuers.nobodyAtAll") : t(lines.length === 0 ? "issuers.newcomersHelp" : "issuers.othersHelp")}
          error={faults.default_role}
          value={draft.default_role}
          onChange={(event) => onChange({ default_role: event.target.value as IssuerDraft["default_role"] })}
          options={[
            { value: "user", label: t("role.user") },
            { value: "guest", label: t("role.guest") },
            { value: "", label: t("issuers.nobody") },
          ]}
        />
        {lines.length === 0 ? null : <TextField label={t("issuers.fields.groups_claim")} help={t("issuers.claimHelp")} value={draft.groups_claim} error={faults.groups_claim} autoComplete="off" spellCheck={false} onChange={(event) => onChange({ groups_claim: event.target.value })} />}
      </div>
    </fieldset>
  );
}
