/** Who is in, with which rights? */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { Segmented, TextField } from "@/components/field";
import { FilterChip } from "@/components/filter-chip";
import { Empty, Failed, Rows, Tag } from "@/components/panel";
import { RoleTag } from "@/features/people/role-tag";
import { Issuers } from "@/features/people/issuers";
import { Invitations } from "@/features/people/invitations";
import { InviteDialog } from "@/features/people/invite";
import { UserDrawer } from "@/features/people/user-drawer";
import { useFormat } from "@/i18n";
import type { Role } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import type { User, UserPage } from "@/lib/api/types";
import { useShortcuts } from "@/lib/shortcuts";

const PAGE = 100;
export const roles = ["owner", "admin", "user", "guest"] as const satisfies Role[];

export function People() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { userId } = useParams({ from: "/frame/people/{-$userId}" });
  const search = useSearch({ from: "/frame/people/{-$userId}" });
  const tab = search.tab === "invitations" || search.tab === "issuers" ? search.tab : "people";
  const to = (part: Partial<typeof search>) => void navigate({ to: "/people/{-$userId}", params: { userId }, search: { ...search, ...part } });
  const addIssuer = () => to({ add: "1" });
  const invite = () => to({ invite: "1" });
  useShortcuts({ c: tab === "issuers" ? addIssuer : invite });
  return (
    <Screen
      id="people"
      filled
      liveState={null}
      tabs={
        <Segmented
          label={t("nav.people")}
          value={tab}
          options={[
            { value: "people", label: t("people.tabPeople") },
            { value: "invitations", label: t("people.tabInvitations") },
            { value: "issuers", label: t("people.tabIssuers") },
          ]}
          onChange={(next) => void navigate({ to: "/people/{-$userId}", params: { userId: undefined }, search: next === "people" ? {} : { tab: next } })}
        />
      }
      actions={
        <Button kind="primary" icon="plus" onClick={tab === "issuers" ? addIssuer : invite}>
          {t(tab === "issuers" ? "issuers.add" : "people.invite")}
        </Button>
      }
    >
      {tab === "people" ? (
        <Users />
      ) : tab === "invitations" ? (
        <Invitations onInvite={invite} />
      ) : (
        <Issuers adding={search.add !== undefined} changing={search.issuer} onAdd={addIssuer} onChange={(issuer) => to({ issuer })} onClose={() => to({ add: undefined, issuer: undefined })} />
      )}
      {search.invite === undefined ? null : <InviteDialog onClose={() => to({ invite: undefined })} />}
    </Screen>
  );
}

function Users() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { userId } = useParams({ from: "/frame/people/{-$userId}" });
  const search = useSearch({ from: "/frame/people/{-$userId}" });
  const opener = useRef<HTMLElement | null>(null);
  const pages = useInfiniteQuery({
    queryKey: ["users", "list", search.find ?? "", search.role ?? ""],
    queryFn: ({ pageParam }) => request<UserPage>("GET", "/api/users", { query: { limit: PAGE, cursor: pageParam, q: search.find, role: search.role } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (held) => held,
  });
  const users = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.users), [pages.data]);
  const open = (id: string | undefined) => void navigate({ to: "/people/{-$userId}", params: { userId: id }, search });
  const step = (by: number) => {
    const next = users[Math.max(0, Math.min(users.length - 1, users.findIndex((user) => user.id === userId) + by))];
    if (next !== undefined) open(next.id);
  };
  useShortcuts({ j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });

  const lastLogin = (user: User) => (user.last_login_at === null ? t("people.never") : format.relative(new Date(user.last_login_at)));
  const columns: Column<User>[] = [
    { id: "name", head: t("people.name"), cell: (user) => <b>{user.name}</b>, width: "minmax(120px,1.3fr)" },
    { id: "email", head: t("people.email"), cell: (user) => user.email, width: "minmax(140px,1.6fr)" },
    { id: "role", head: t("people.role"), cell: (user) => <RoleTag role={user.role as Role} />, width: "minmax(90px,0.7fr)" },
    { id: "login", head: t("people.lastLogin"), cell: lastLogin, width: "120px", from: "md", hideWithDrawer: true },
    { id: "since", head: t("people.since"), cell: (user) => format.date(new Date(user.created_at)), width: "130px", from: "lg", hideWithDrawer: true },
    { id: "state", head: t("people.state"), cell: (user) => (user.active ? <span className="text-ink-3">{t("people.active")}</span> : <Tag tone="slow">◆ {t("people.deactivated")}</Tag>), width: "120px", from: "md", hideWithDrawer: true },
  ];
  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <div className="flex shrink-0 items-center gap-2 border-b border-line px-4 py-2.5 max-sm:flex-wrap sm:px-6">
          <div className="w-[260px] max-w-full max-sm:w-full">
            <TextField hideLabel type="search" label={t("people.find")} placeholder={t("people.find")} value={search.find ?? ""} onChange={(event) => void navigate({ to: "/people/{-$userId}", params: { userId }, search: { ...search, find: event.target.value === "" ? undefined : event.target.value }, replace: true })} />
          </div>
          <FilterChip name={t("people.role")} value={search.role} options={roles.map((value) => ({ value, label: t(`role.${value}`) }))} onChange={(role) => void navigate({ to: "/people/{-$userId}", params: { userId }, search: { ...search, role } })} />
          <span className="ml-auto shrink-0 text-cap whitespace-nowrap text-ink-3">{pages.data === undefined ? "" : t(pages.hasNextPage ? "people.summaryMore" : "people.summary", { count: users.length, n: format.count(users.length) })}</span>
        </div>
        {pages.isPending ? (
          <Rows />
        ) : pages.isError ? (
          <Failed error={pages.error} again={() => void pages.refetch()} />
        ) : users.length === 0 ? (
          <Empty text={t("people.noneMatch")} act={<Button onClick={() => void navigate({ to: "/people/{-$userId}", params: { userId }, search: {} })}>{t("common.dropFilters")}</Button>} />
        ) : (
          <DataTable
            label={t("nav.people")}
            rows={users}
            columns={columns}
            rowHeight={40}
            idOf={(user) => user.id}
            selected={userId}
            drawerOpen={userId !== undefined}
            onOpen={(user, element) => {
              opener.current = element;
              open(user.id);
            }}
            phone={(user) => (
              <>
                <div className="flex items-baseline gap-2">
                  <b className="min-w-0 flex-1 truncate">{user.name}</b>
                  <RoleTag role={user.role as Role} />
                </div>
                <div className="flex gap-2 text-cap text-ink-3">
                  <span className="min-w-0 flex-1 truncate">{user.email}</span>
                  <span>{user.active ? lastLogin(user) : t("people.deactivated")}</span>
                </div>
              </>
            )}
            onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
          />
        )}
      </div>
      {userId === undefined ? null : (
        <UserDrawer
          key={userId}
          id={userId}
          known={users.find((user) => user.id === userId)}
          onClose={() => {
            open(undefined);
            opener.current?.focus();
          }}
        />
      )}
    </div>
  );
}
