/** One's own data: a copy of it, and the way out for good. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyOfData, WhatGoes } from "@/components/departures";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SecretField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { Choice } from "@/features/settings/choice";
import type { Person } from "@/lib/api/contract";
import { ApiError, request } from "@/lib/api/request";
import type { Erased, UserPage } from "@/lib/api/types";
import { queryClient } from "@/lib/query";
import { meQuery, wentOut } from "@/lib/session";

export function Leaving() {
  const { t } = useTranslation();
  const me = useQuery(meQuery).data?.user;
  const [leaving, setLeaving] = useState(false);
  const owners = useQuery({ queryKey: ["users", "owners"], queryFn: async () => (await request<UserPage>("GET", "/api/users", { query: { role: "owner", active: true, limit: 2 } })).users, enabled: me?.role === "owner" });
  const last = me?.role === "owner" && owners.data?.length === 1;
  if (me === undefined) return null;
  return (
    <>
      <Choice name={t("departure.own")} help={t("departure.ownHelp")}>
        <CopyOfData path="/api/auth/export" who={me.email} label={t("departure.download")} />
      </Choice>
      <Choice name={t("departure.leave")} help={last ? `◆ ${t("people.lastOwner")}` : t("departure.leaveHelp")}>
        <Button kind="danger" disabled={last} onClick={() => setLeaving(true)}>
          {t("departure.leaveAct")}
        </Button>
      </Choice>
      {leaving ? <Leave me={me} onClose={() => setLeaving(false)} /> : null}
    </>
  );
}

function Leave({ me, onClose }: { me: Person; onClose: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [password, setPassword] = useState("");
  const going = useMutation({
    mutationFn: () => request<Erased>("POST", "/api/auth/me/erase", { body: { current_password: password === "" ? null : password }, quiet: true }),
    onSuccess: () => {
      wentOut();
      queryClient.clear();
      window.location.assign("/login");
    },
  });
  const wrong = going.error instanceof ApiError && (going.error.status === 401 || going.error.fault.param === "current_password");
  return (
    <Dialog open onClose={onClose} title={t("departure.leaveTitle")} subtitle={me.email} width={500} focus="[data-cancel]">
      <div className="flex flex-col gap-3">
        {going.isError && !wrong ? <Failed error={going.error} /> : null}
        <p className="text-ui">{t("departure.noWayBack")}</p>
        <WhatGoes />
        <TextField label={<Trans i18nKey="departure.typeEmail" values={{ email: me.email }} components={{ code: <code className="font-mono" /> }} />} value={typed} autoComplete="off" spellCheck={false} inputMode="email" onChange={(event) => setTyped(event.target.value)} />
        <SecretField label={t("account.currentPassword")} help={t("departure.passwordHelp")} autoComplete="current-password" value={password} error={wrong ? t("account.wrongPassword") : undefined} onChange={(event) => setPassword(event.target.value)} />
      </div>
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim().toLowerCase() !== me.email.toLowerCase()} busy={going.isPending ? t("departure.leaving") : false} onClick={() => going.mutate()}>
          {t("departure.leaveVerb")}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
