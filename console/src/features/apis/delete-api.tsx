/** Deleting an API: who would be refused from then on stands there before its name is typed. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { TextField } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { callersOf } from "@/features/apis/api-state";
import { lastQuery } from "@/features/apis/use";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Api, ApiRemoved, Key } from "@/lib/api/types";
import { apisQuery } from "@/lib/apis";

const NAMED = 6;

export function DeleteApi({ api, keys, onClose, onGone }: { api: Api; keys: readonly Key[]; onClose: () => void; onGone: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const told = useQuery(lastQuery(api.name));
  const last = told.data ?? undefined;
  const { named, only } = callersOf(api.name, keys);
  const list = (of: readonly Key[]) => [...of.slice(0, NAMED).map((key) => key.label), ...(of.length > NAMED ? ["…"] : [])].join(format.language === "ja" ? "、" : ", ");
  const deleting = useMutation({
    mutationFn: () => request<ApiRemoved>("DELETE", `/api/apis/${api.name}`),
    onSuccess: (answer) => {
      client.setQueryData(apisQuery.queryKey, (held) => held?.filter((each) => each.name !== api.name));
      const warnings = answer.warnings ?? [];
      toast(warnings.length === 0 ? t("apis.deleted", { name: api.name, revision: format.exact(answer.revision) }) : warnings.join(" "), { failed: warnings.length > 0 });
      onGone();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("apis.deleteTitle", { name: api.name })} width={480} focus="[data-cancel]">
      <ul className="mb-3 flex flex-col gap-1.5 rounded-panel bg-sunk px-3 py-2.5 text-ui">
        <li className="flex items-baseline gap-2">
          <StateMark state={last === undefined ? "off" : "slow"} />
          <span>
            {told.isPending ? "…" : last === undefined ? t("apis.neverCalled") : t("apis.lastCalled", { time: format.relative(new Date(last.started_at)), label: last.key_label })} {t("apis.deleteStops", { name: api.name })}
          </span>
        </li>
        <li className="flex items-baseline gap-2">
          <StateMark state={only.length > 0 ? "failed" : named.length > 0 ? "slow" : "off"} />
          <span>
            {named.length === 0 ? t("apis.noKeyNames") : t("apis.keysName", { count: named.length, names: list(named) })}
            {only.length === 0 ? "" : ` ${t("apis.keysOnly", { count: only.length, names: list(only) })}`}
          </span>
        </li>
        <li className="flex items-baseline gap-2">
          <StateMark state="off" />
          <span>{t("apis.stays", { target: api.target })}</span>
        </li>
      </ul>
      {deleting.isError ? <Failed error={deleting.error} /> : null}
      <TextField label={<Trans i18nKey="keys.typeName" values={{ label: api.name }} components={{ code: <code className="font-mono" /> }} />} value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim() !== api.name} busy={deleting.isPending ? t("apis.deleting") : false} onClick={() => deleting.mutate()}>
          {t("apis.deleteVerb", { name: api.name })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
