/** One person: what they may, where they are logged in, and the acts that end it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyOfData } from "@/components/departures";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Drawer } from "@/components/drawer";
import { SelectField } from "@/components/field";
import { OneTime } from "@/components/one-time";
import { Facts, Failed, Skeleton, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { EraseDialog } from "@/features/people/erase";
import { SessionRows, TokenRows } from "@/components/logins";
import { useFormat } from "@/i18n";
import type { Role } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import type { LoginSession, SessionList, Token, TokenList, User, UserPage } from "@/lib/api/types";
import { useMay } from "@/lib/rights";
import { meQuery } from "@/lib/session";

export function UserDrawer({ id, known, onClose }: { id: string; known: User | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const may = useMay();
  const me = useQuery(meQuery).data?.user;
  const [doing, setDoing] = useState<"deactivate" | "reset" | "erase" | null>(null);
  const told = useQuery({ queryKey: ["users", "one", id], queryFn: () => request<User>("GET", `/api/users/${id}`), placeholderData: known });
  const sessions = useQuery({ queryKey: ["users", "sessions", id], queryFn: async () => (await request<SessionList>("GET", `/api/users/${id}/sessions`)).sessions });
  const tokens = useQuery({ queryKey: ["users", "tokens", id], queryFn: async () => (await request<TokenList>("GET", `/api/users/${id}/tokens`)).tokens });
  const user = told.data;
  const role = user?.role as Role | undefined;
  /** An admin changes nobody who is an owner. */
  const touchable = role !== "owner" || may("owners");
  const owners = useQuery({ queryKey: ["users", "owners"], queryFn: async () => (await request<UserPage>("GET", "/api/users", { query: { role: "owner", active: true, limit: 2 } })).users, enabled: role === "owner" });
  /** Nobody would be left to look after the house; the server would refuse it as well. */
  const last = role === "owner" && user?.active === true && owners.data?.length === 1;

  const store = (changed: User) => {
    client.setQueryData(["users", "one", id], changed);
    void client.invalidateQueries({ queryKey: ["users"] });
  };
  const changing = useMutation({
    mutationFn: (body: { role?: Role; active?: boolean }) => request<User>("PATCH", `/api/users/${id}`, { body }),
    onSuccess: (changed, body) => {
      store(changed);
      if (body.role !== undefined) toast(t("people.roleChanged", { name: changed.name, role: t(`role.${body.role}`) }));
      if (body.active === true) toast(t("people.reactivated", { name: changed.name }));
    },
  });
  const endAll = useMutation({
    mutationFn: () => request<{ ended: number }>("DELETE", `/api/users/${id}/sessions`),
    onSuccess: ({ ended }) => {
      void client.invalidateQueries({ queryKey: ["users", "sessions", id] });
      toast(t("people.ended", { count: ended }));
    },
  });
  return (
    <Drawer
      label={t("people.drawer")}
      onClose={onClose}
      head={
        <>
          <span className="min-w-0 flex-1 truncate text-ui">{user?.email ?? ""}</span>
        </>
      }
      foot={
        user === undefined || !touchable ? null : (
          <>
            <Button disabled={!user.active} onClick={() => setDoing("reset")}>
              {t("people.resetLink")}
            </Button>
            <CopyOfData path={`/api/users/${id}/export`} who={user.email} label={t("departure.copy")} />
            {user.active ? (
              <Button kind="danger" disabled={last} aria-describedby={last ? "last-owner" : undefined} onClick={() => setDoing("deactivate")}>
                {t("people.deactivate")}
              </Button>
            ) : (
              <Button busy={changing.isPending ? t("people.reactivating") : false} onClick={() => changing.mutate({ active: true })}>
                {t("people.reactivate")}
              </Button>
            )}
            <Button kind="danger" disabled={last} aria-describedby={last ? "last-owner" : undefined} onClick={() => setDoing("erase")}>
              {t("departure.erase")}
            </Button>
          </>
        )
      }
    >
      {told.isError && user === undefined ? <Failed error={told.error} again={() => void told.refetch()} /> : null}
      {user === undefined || role === undefined ? (
        <Skeleton className="h-40" />
      ) : (
        <div className="flex flex-col gap-5">
          <h2 className="flex flex-wrap items-center gap-2 text-title font-semibold">
            {user.name}
            {user.id === me?.id ? <Tag tone="ai">{t("people.you")}</Tag> : null}
            {user.active ? null : <Tag tone="slow">◆ {t("people.deactivated")}</Tag>}
          </h2>
          <Facts
            facts={[
              { name: t("people.lastLogin"), value: user.last_login_at === null ? t("people.never") : format.relative(new Date(user.last_login_at)) },
              { name: t("people.since"), value: format.date(new Date(user.created_at)) },
              { name: t("people.sessions"), value: sessions.data === undefined ? "–" : format.count(sessions.data.length) },
              { name: t("people.tokens"), value: tokens.data === undefined ? "–" : format.count(tokens.data.length) },
            ]}
          />
          {changing.isError ? <Failed error={changing.error} /> : null}
          <SelectField
            label={t("people.role")}
            help={t(`people.roleDoes.${role}`)}
            value={changing.isPending && changing.variables.role !== undefined ? changing.variables.role : role}
            aria-busy={changing.isPending && changing.variables.role !== undefined}
            disabled={!touchable || last}
            onChange={(event) => changing.mutate({ role: event.target.value as Role })}
            options={(["owner", "admin", "user", "guest"] as const).filter((value) => value !== "owner" || may("owners") || role === "owner").map((value) => ({ value, label: t(`role.${value}`) }))}
          />
          {last ? (
            <p id="last-owner" className="-mt-3 rounded-panel bg-odo-wash px-3 py-2 text-ui text-odo">
              ◆ {t("people.lastOwner")}
            </p>
          ) : null}
          <section>
            <div className="mb-1 flex items-center gap-2">
              <h3 className="flex-1 text-ui font-semibold">{t("people.sessions")}</h3>
              {(sessions.data?.length ?? 0) > 0 && touchable ? (
                <Button size="small" busy={endAll.isPending ? t("people.ending") : false} onClick={() => endAll.mutate()}>
                  {t("people.endAll")}
                </Button>
              ) : null}
            </div>
            {sessions.isPending ? <Skeleton className="h-8" /> : sessions.isError ? <Failed error={sessions.error} again={() => void sessions.refetch()} /> : <SessionRows sessions={sessions.data} act={touchable ? (each: LoginSession) => endSession(each) : undefined} />}
          </section>
          <section>
            <h3 className="mb-1 text-ui font-semibold">{t("people.tokens")}</h3>
            {tokens.isPending ? <Skeleton className="h-8" /> : tokens.isError ? <Failed error={tokens.error} again={() => void tokens.refetch()} /> : <TokenRows tokens={tokens.data} act={touchable ? (each: Token) => endToken(each) : undefined} />}
          </section>
        </div>
      )}
      {doing === "deactivate" && user !== undefined ? <Deactivate user={user} sessions={sessions.data?.length ?? 0} onDone={store} onClose={() => setDoing(null)} /> : null}
      {doing === "erase" && user !== undefined ? <EraseDialog user={user} sessions={sessions.data?.length ?? 0} tokens={tokens.data?.length ?? 0} onErased={onClose} onClose={() => setDoing(null)} /> : null}
      {doing === "reset" && user !== undefined ? <Reset user={user} onClose={() => setDoing(null)} /> : null}
    </Drawer>
  );

  async function endSession(session: LoginSession) {
    await request("DELETE", `/api/users/${id}/sessions/${session.id}`);
    await client.invalidateQueries({ queryKey: ["users", "sessions", id] });
    toast(t("people.ended", { count: 1 }));
  }
  async function endToken(token: Token) {
    await request("DELETE", `/api/users/${id}/tokens/${token.id}`);
    await client.invalidateQueries({ queryKey: ["users", "tokens", id] });
    toast(t("people.tokenEnded", { name: token.name }));
  }
}

function Deactivate({ user, sessions, onDone, onClose }: { user: User; sessions: number; onDone: (changed: User) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const acting = useMutation({
    mutationFn: () => request<User>("PATCH", `/api/users/${user.id}`, { body: { active: false } }),
    onSuccess: (changed) => {
      onDone(changed);
      void client.invalidateQueries({ queryKey: ["users", "sessions", user.id] });
      toast(t("people.deactivatedNow", { name: user.name }));
      onClose();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("people.deactivateTitle", { name: user.name })} subtitle={user.email} width={460} focus="[data-cancel]">
      {acting.isError ? <Failed error={acting.error} /> : null}
      <p className="text-body text-ink-2">
        {t("people.deactivateWhat")} {t("people.sessions")}: {sessions}
      </p>
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" busy={acting.isPending ? t("people.deactivating") : false} onClick={() => acting.mutate()}>
          {t("people.deactivateVerb", { name: user.name })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}

function Reset({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const making = useMutation({ mutationFn: () => request<{ path: string; expires_at: string }>("POST", `/api/users/${user.id}/reset-link`, { body: {} }) });
  if (making.data !== undefined)
    return <OneTime title={t("people.linkReady")} text={t("people.linkWhat", { until: format.full(new Date(making.data.expires_at)), email: user.email })} secret={location.origin + making.data.path} copyLabel={t("people.copyLink")} onClose={onClose} />;
  return (
    <Dialog open onClose={onClose} title={t("people.resetTitle", { name: user.name })} subtitle={user.email} width={460}>
      {making.isError ? <Failed error={making.error} /> : null}
      <p className="text-body text-ink-2">{t("people.resetWhat")}</p>
      <DialogFoot>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" busy={making.isPending ? t("people.making") : false} onClick={() => making.mutate()}>
          {t("people.makeLink")}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
