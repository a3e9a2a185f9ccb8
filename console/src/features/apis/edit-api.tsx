/** Changing an API from the version that one saw. Where somebody else changed it meanwhile, both versions are told and one decides; nothing typed is lost. */
import { useIsMutating, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Conflict } from "@/components/conflict";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SelectField } from "@/components/field";
import { Failed, Skeleton } from "@/components/panel";
import { toast } from "@/components/toast";
import { DefaultFields, type Faults, placeOf, TitleFields, useFaultWords } from "@/features/apis/api-form";
import { defaultsOf, fieldNames, type Fields, fieldsOf } from "@/features/apis/defaults";
import { ApiError, isConflict, request, type Tagged, tagged } from "@/lib/api/request";
import type { Api, ApiWritten, ChangeApi, Defaults } from "@/lib/api/types";
import { apisQuery, switchKey } from "@/lib/apis";
import { modelsQuery } from "@/lib/catalog";
import { changedOf, differing, rebased } from "@/lib/versions";

/** All that may change, each as text. */
export type ApiFields = Fields & Record<"target" | "title" | "description", string>;

export function textOf(api: Api): ApiFields {
  return { target: api.target, title: api.title, description: api.description, ...fieldsOf(api.defaults) };
}

function trimmed(fields: ApiFields): ApiFields {
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, name === "stop" ? text : text.trim()])) as ApiFields;
}

/** What a change sends: the members that differ; the defaults whole, as soon as one of them does. */
export function bodyOf(was: ApiFields, now: ApiFields, kept: Defaults): Partial<ChangeApi> {
  const changed = changedOf(was, trimmed(now));
  const body: Partial<ChangeApi> = {};
  for (const name of ["target", "title", "description"] as const) if (changed[name] !== undefined) body[name] = changed[name];
  if (fieldNames.some((name) => changed[name] !== undefined)) body.defaults = defaultsOf(now, kept);
  return body;
}

export function EditApi({ api, onClose }: { api: Api; onClose: () => void }) {
  const { t } = useTranslation();
  // Whoever switches and edits in one breath edits the version that the switch makes, and meets no conflict with themselves.
  const switching = useIsMutating({ mutationKey: switchKey }) > 0;
  const opened = useQuery({ enabled: !switching, queryKey: ["apis", "opened", api.name], queryFn: () => tagged<Api>("GET", `/api/apis/${api.name}`), staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false });
  return (
    <Dialog open onClose={onClose} title={t("apis.editTitle", { name: api.name })} subtitle={t("apis.editWhat")} width={560}>
      {opened.data !== undefined ? (
        <Form opened={opened.data} onClose={onClose} />
      ) : (
        <>
          {opened.isError ? <Failed error={opened.error} again={() => void opened.refetch()} /> : <Skeleton className="h-[420px]" />}
          <DialogFoot>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
          </DialogFoot>
        </>
      )}
    </Dialog>
  );
}

function Form({ opened, onClose }: { opened: Tagged<Api>; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const say = useFaultWords();
  const models = useQuery(modelsQuery).data?.models ?? [];
  const [on, setOn] = useState(opened);
  const [theirs, setTheirs] = useState<Tagged<Api>>();
  const [fields, setFields] = useState(() => textOf(opened.value));
  const [faults, setFaults] = useState<Faults>({});
  const { name } = opened.value;
  const saving = useMutation({
    mutationFn: ({ base, mine }: { base: Tagged<Api>; mine: ApiFields }) => request<ApiWritten>("PATCH", `/api/apis/${name}`, { body: bodyOf(textOf(base.value), mine, base.value.defaults), ifMatch: base.etag }),
    onSuccess: (saved) => {
      client.setQueryData(apisQuery.queryKey, (held) => held?.map((each) => (each.name === saved.name ? saved : each)));
      void client.invalidateQueries({ queryKey: apisQuery.queryKey, exact: true });
      const warnings = saved.warnings ?? [];
      toast(warnings.length === 0 ? t("apis.saved", { name: saved.name }) : warnings.join(" "), { failed: warnings.length > 0 });
      onClose();
    },
    onError: (error) => {
      if (isConflict(error)) return void tagged<Api>("GET", `/api/apis/${name}`).then(setTheirs, () => undefined);
      const place = error instanceof ApiError ? placeOf(error.fault.param) : null;
      if (place !== null) setFaults({ [place]: error.message });
    },
  });
  function change(part: Partial<ApiFields>) {
    setFields({ ...fields, ...part });
    setFaults((held) => Object.fromEntries(Object.entries(held).filter(([each]) => !(each in part))));
  }
  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: Faults = {};
    for (const each of fieldNames) {
      const fault = say(each, fields[each]);
      if (fault !== undefined) found[each] = fault;
    }
    setFaults(found);
    if (Object.keys(found).length > 0 || theirs !== undefined) return;
    if (Object.keys(bodyOf(textOf(on.value), fields, on.value.defaults)).length === 0) return onClose();
    saving.mutate({ base: on, mine: fields });
  }
  const words = (each: keyof ApiFields) => (each === "target" || each === "title" || each === "description" ? t(`apis.${each}`) : t(`apis.field.${each}`));
  const targets = models.map((model) => model.id);
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
      {theirs !== undefined ? (
        <Conflict
          differences={differing(textOf(theirs.value), trimmed(fields)).map((each) => ({ name: words(each), theirs: textOf(theirs.value)[each] || "–", yours: fields[each] || "–" }))}
          busy={saving.isPending}
          onTheirs={() => {
            setFields(textOf(theirs.value));
            setOn(theirs);
            setTheirs(undefined);
            saving.reset();
          }}
          onYours={() => {
            const mine = rebased(textOf(on.value), textOf(theirs.value), trimmed(fields));
            setFields(mine);
            setOn(theirs);
            setTheirs(undefined);
            saving.mutate({ base: theirs, mine });
          }}
        />
      ) : saving.isError && !isConflict(saving.error) && Object.keys(faults).length === 0 ? (
        <Failed error={saving.error} />
      ) : null}
      <SelectField
        label={t("apis.target")}
        help={t("apis.targetHelp")}
        error={faults.target}
        value={fields.target}
        onChange={(event) => change({ target: event.target.value })}
        options={(targets.includes(fields.target) ? targets : [fields.target, ...targets]).map((value) => ({ value, label: value }))}
      />
      <TitleFields values={fields} faults={faults} change={change} />
      <DefaultFields values={fields} faults={faults} change={change} />
      <DialogFoot>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" type="submit" disabled={theirs !== undefined} busy={saving.isPending ? t("common.saving") : false}>
          {t("apis.save")}
        </Button>
      </DialogFoot>
    </form>
  );
}
