/** Changing a key: label, scope, limits, expiry, from the version that one saw. It is in force when the dialog closes. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Conflict } from "@/components/conflict";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { Failed, Skeleton } from "@/components/panel";
import { toast } from "@/components/toast";
import { limitNames, LimitFields, limitOf, ScopeField } from "@/features/keys/fields";
import { bodyOf, draftOf, fieldOf, type KeyDraft, type KeyField, localTime, plain } from "@/features/keys/key-change";
import { useFormat } from "@/i18n";
import { ApiError, isConflict, request, type Tagged, tagged } from "@/lib/api/request";
import type { Key, KeyChanged } from "@/lib/api/types";
import { changedOf, differing, rebased } from "@/lib/versions";

const DAY = 86_400_000;
const lives = { day: DAY, week: 7 * DAY, month: 30 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;
type Ending = "as-is" | "never" | keyof typeof lives | "at";

export function ChangeKeyDialog({ id, known, onClose }: { id: string; known: Key | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const opened = useQuery({ queryKey: ["keys", "opened", id], queryFn: () => tagged<Key>("GET", `/api/keys/${id}`), staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false });
  return (
    <Dialog open onClose={onClose} title={t("keys.changeTitle", { label: (opened.data?.value ?? known)?.label ?? id })} subtitle={t("keys.changeWhat")} width={540}>
      {opened.data !== undefined ? (
        <Form opened={opened.data} onClose={onClose} />
      ) : (
        <>
          {opened.isError ? <Failed error={opened.error} again={() => void opened.refetch()} /> : <Skeleton className="h-72" />}
          <DialogFoot>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
          </DialogFoot>
        </>
      )}
    </Dialog>
  );
}

function Form({ opened, onClose }: { opened: Tagged<Key>; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [on, setOn] = useState(opened);
  const [draft, setDraft] = useState(() => draftOf(opened.value));
  const [ending, setEnding] = useState<Ending>("as-is");
  const [faults, setFaults] = useState<Partial<Record<KeyField, string>>>({});
  const [theirs, setTheirs] = useState<Tagged<Key>>();
  const { id } = opened.value;

  function change(part: Partial<KeyDraft>) {
    setDraft({ ...draft, ...part });
    setFaults((held) => Object.fromEntries(Object.entries(held).filter(([name]) => !(name in part))));
  }
  function end(next: Ending) {
    setEnding(next);
    const expires = next === "as-is" ? (on.value.expires_at ?? "") : next === "never" ? "" : next === "at" ? draft.expires : new Date(Date.now() + lives[next]).toISOString();
    change({ expires });
  }

  const saving = useMutation({
    mutationFn: ({ base, mine }: { base: Tagged<Key>; mine: KeyDraft }) => request<KeyChanged>("PATCH", `/api/keys/${id}`, { ifMatch: base.etag, body: bodyOf(changedOf(plain(draftOf(base.value)), plain(mine))) }),
    onSuccess: (saved) => {
      client.setQueryData(["keys", "one", id], saved);
      void client.invalidateQueries({ queryKey: ["keys", "list"] });
      void client.invalidateQueries({ queryKey: ["keys", "names"] });
      const warnings = saved.warnings ?? [];
      toast(warnings.length === 0 ? t("keys.changed", { label: saved.label, revision: format.exact(saved.revision) }) : warnings.join(" "), { failed: warnings.length > 0 });
      onClose();
    },
    onError: (error) => {
      if (isConflict(error)) return void tagged<Key>("GET", `/api/keys/${id}`).then(setTheirs, () => undefined);
      const field = error instanceof ApiError ? fieldOf(error.fault.param) : null;
      if (field !== null) setFaults({ [field]: error.message });
    },
  });

  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: typeof faults = {};
    if (draft.label.trim() === "") found.label = t("keys.needName");
    for (const name of limitNames) if (limitOf(draft[name]) === "bad") found[name] = t("keys.needNumber");
    if (ending === "at" && draft.expires === "") found.expires = t("keys.needTime");
    setFaults(found);
    if (Object.keys(found).length > 0) return;
    if (Object.keys(changedOf(plain(draftOf(on.value)), plain(draft))).length === 0) return onClose();
    saving.mutate({ base: on, mine: draft });
  }

  const names: Record<KeyField, string> = { label: t("keys.name"), models: t("keys.mayCall"), rpm: t("keys.rpm"), tpm: t("keys.tpm"), concurrency: t("keys.concurrency"), expires: t("keys.expires") };
  const shown = (name: KeyField, of: KeyDraft) => {
    if (of[name] === "") return name === "models" ? t("keys.allModels") : name === "expires" ? t("keys.never") : t("keys.noLimit");
    return name === "expires" ? format.full(new Date(of.expires)) : of[name];
  };
  const now = on.value.expires_at === null ? t("keys.never") : format.full(new Date(on.value.expires_at));
  const field = saving.error instanceof ApiError ? fieldOf(saving.error.fault.param) : null;
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
      {saving.isError && field === null && theirs === undefined ? <Failed error={saving.error} /> : null}
      {theirs === undefined ? null : (
        <Conflict
          differences={differing(plain(draftOf(theirs.value)), plain(draft)).map((name) => ({ name: names[name], theirs: shown(name, draftOf(theirs.value)), yours: name in changedOf(plain(draftOf(on.value)), plain(draft)) ? shown(name, plain(draft)) : undefined }))}
          busy={saving.isPending}
          onTheirs={() => {
            setDraft(draftOf(theirs.value));
            setEnding("as-is");
            setOn(theirs);
            setTheirs(undefined);
            saving.reset();
          }}
          onYours={() => {
            const mine = rebased(plain(draftOf(on.value)), plain(draftOf(theirs.value)), plain(draft));
            setDraft(mine);
            setOn(theirs);
            setTheirs(undefined);
            saving.mutate({ base: theirs, mine });
          }}
        />
      )}
      <TextField label={names.label} help={t("keys.nameHelp")} value={draft.label} error={faults.label} maxLength={200} autoComplete="off" onChange={(event) => change({ label: event.target.value })} />
      <ScopeField value={draft.models} error={faults.models} onChange={(models) => change({ models })} />
      <LimitFields values={draft} faults={faults} onChange={change} />
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <SelectField
          label={names.expires}
          help={t("keys.endsNow", { when: now })}
          error={ending === "at" ? undefined : faults.expires}
          value={ending}
          onChange={(event) => end(event.target.value as Ending)}
          options={[{ value: "as-is", label: t("keys.asItIs") }, { value: "never", label: t("keys.life.never") }, ...(Object.keys(lives) as (keyof typeof lives)[]).map((value) => ({ value, label: t(`keys.life.${value}`) })), { value: "at", label: t("keys.atTime") }]}
        />
        {ending === "at" ? (
          <TextField
            label={t("keys.endsAt")}
            type="datetime-local"
            min={localTime(new Date())}
            value={draft.expires === "" ? "" : localTime(new Date(draft.expires))}
            error={faults.expires}
            onChange={(event) => change({ expires: event.target.value === "" ? "" : new Date(event.target.value).toISOString() })}
          />
        ) : null}
      </div>
      <DialogFoot>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" type="submit" busy={saving.isPending ? t("common.saving") : false}>
          {t("keys.save")}
        </Button>
      </DialogFoot>
    </form>
  );
}
