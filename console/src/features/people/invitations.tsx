/** Everybody who was invited, and what became of it. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { Empty, Failed, Rows, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { RoleTag } from "@/features/people/role-tag";
import { useFormat } from "@/i18n";
import type { Role } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import type { Invitation, InvitationPage } from "@/lib/api/types";

const PAGE = 100;
export type InvitationState = "open" | "accepted" | "withdrawn" | "expired";

export function invitationState(invitation: Invitation, now: Date): InvitationState {
  if (invitation.accepted_at !== null) return "accepted";
  if (invitation.withdrawn_at !== null) return "withdrawn";
  return new Date(invitation.expires_at) <= now ? "expired" : "open";
}

export function Invitations({ onInvite }: { onInvite: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const pages = useInfiniteQuery({
    queryKey: ["invitations"],
    queryFn: ({ pageParam }) => request<InvitationPage>("GET", "/api/invitations", { query: { limit: PAGE, cursor: pageParam } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.invitations), [pages.data]);
  const now = new Date();
  const where = (invitation: Invitation) => (invitation.project === null ? "" : `${invitation.project} · ${t(`people.projectRoles.${(invitation.project_role ?? "viewer") as "viewer"}`)}`);
  const state = (invitation: Invitation) => {
    const is = invitationState(invitation, now);
    if (is === "open") return t("people.invitations.open", { until: format.listTime(new Date(invitation.expires_at), new Date(0)) });
    if (is === "accepted") return t("people.invitations.accepted", { when: format.relative(new Date(invitation.accepted_at ?? "")) });
    return <Tag>{t(`people.invitations.${is}`)}</Tag>;
  };
  const columns: Column<Invitation>[] = [
    { id: "email", head: t("people.email"), cell: (each) => <b>{each.email}</b>, width: "minmax(150px,1.6fr)" },
    { id: "role", head: t("people.role"), cell: (each) => <RoleTag role={each.role as Role} />, width: "110px" },
    { id: "project", head: t("people.project"), cell: where, width: "minmax(110px,1fr)", from: "md" },
    { id: "state", head: t("people.state"), cell: state, width: "minmax(160px,1fr)" },
    { id: "act", head: "", right: true, cell: (each) => (invitationState(each, now) === "open" ? <Withdraw invitation={each} /> : null), width: "150px" },
  ];
  if (pages.isPending) return <Rows />;
  if (pages.isError) return <Failed error={pages.error} again={() => void pages.refetch()} />;
  if (rows.length === 0)
    return (
      <Empty
        text={t("people.noInvitations")}
        act={
          <Button kind="primary" onClick={onInvite}>
            {t("people.invite")}
          </Button>
        }
      />
    );
  return (
    <DataTable
      label={t("people.tabInvitations")}
      rows={rows}
      columns={columns}
      rowHeight={40}
      idOf={(each) => each.id}
      onOpen={() => undefined}
      phone={(each) => (
        <div className="flex items-center gap-2">
          <div className="min-w-0 flex-1">
            <b className="block truncate">{each.email}</b>
            <span className="text-cap text-ink-3">{state(each)}</span>
          </div>
          {invitationState(each, now) === "open" ? <Withdraw invitation={each} /> : <RoleTag role={each.role as Role} />}
        </div>
      )}
      onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
    />
  );
}

function Withdraw({ invitation }: { invitation: Invitation }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const withdrawing = useMutation({
    mutationFn: () => request<Invitation>("DELETE", `/api/invitations/${invitation.id}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["invitations"] });
      toast(t("people.withdrawn", { email: invitation.email }));
    },
    onError: (error) => toast(error.message, { failed: true }),
  });
  return (
    <Button size="small" busy={withdrawing.isPending ? t("people.withdrawing") : false} onClick={() => withdrawing.mutate()}>
      {t("people.withdraw")}
    </Button>
  );
}
