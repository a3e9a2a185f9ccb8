/** Erasing a person: what goes, what stays, and their address, typed. There is no way back. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyOfData, WhatGoes } from "@/components/departures";
import { Dialog, DialogFoot } from "@/components/dialog";
import { TextField } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { request } from "@/lib/api/request";
import type { Erased, User } from "@/lib/api/types";

interface Props {
  user: User;
  sessions: number;
  tokens: number;
  onErased: () => void;
  onClose: () => void;
}

export function EraseDialog({ user, sessions, tokens, onErased, onClose }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const erasing = useMutation({
    mutationFn: () => request<Erased>("POST", `/api/users/${user.id}/erase`),
    onSuccess: ({ pseudonym }) => {
      toast(t("departure.erased", { name: user.name, pseudonym }));
      onErased();
      client.removeQueries({ queryKey: ["users", "one", user.id] });
      void client.invalidateQueries({ queryKey: ["users", "list"] });
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("departure.title", { name: user.name })} subtitle={user.email} width={500} focus="[data-cancel]">
      <div className="flex flex-col gap-3">
        {erasing.isError ? <Failed error={erasing.error} /> : null}
        <p className="flex items-baseline gap-2 text-ui">
          <StateMark state={sessions + tokens === 0 ? "off" : "slow"} />
          <span>
            {t("departure.evidence", { sessions, tokens })} {t("departure.noWayBack")}
          </span>
        </p>
        <WhatGoes />
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
          <span className="min-w-0 flex-1 basis-40 text-cap text-ink-3">{t("departure.copyFirst")}</span>
          <CopyOfData path={`/api/users/${user.id}/export`} who={user.email} label={t("departure.copy")} />
        </div>
        <TextField label={<Trans i18nKey="departure.typeEmail" values={{ email: user.email }} components={{ code: <code className="font-mono" /> }} />} value={typed} autoComplete="off" spellCheck={false} inputMode="email" onChange={(event) => setTyped(event.target.value)} />
      </div>
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim().toLowerCase() !== user.email.toLowerCase()} busy={erasing.isPending ? t("departure.erasing") : false} onClick={() => erasing.mutate()}>
          {t("departure.verb", { name: user.name })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
