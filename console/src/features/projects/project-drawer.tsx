/** One project: what it is called, who belongs to it, and the way into the archive. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Drawer } from "@/components/drawer";
import { AreaField, SelectField, TextField } from "@/components/field";
import { Facts, Failed, Skeleton, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Member, MemberPage, Project } from "@/lib/api/types";
import { useMay } from "@/lib/rights";

const parts = ["maintainer", "editor", "viewer"] as const;
type Part = (typeof parts)[number];

export function ProjectDrawer({ name, known, onClose }: { name: string; known: Project | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const may = useMay();
  const [deleting, setDeleting] = useState(false);
  const told = useQuery({ queryKey: ["projects", "one", name], queryFn: () => request<Project>("GET", `/api/projects/${name}`), placeholderData: known });
  const project = told.data;
  /** Whom no project bounds, and maintainers. */
  const changes = project !== undefined && may("projects.write") && (project.role === "maintainer" || may("users"));
  const archiving = useMutation({
    mutationFn: (archived: boolean) => request<Project>("PUT", `/api/projects/${name}`, { body: { title: project?.title ?? name, description: project?.description ?? "", archived } }),
    onSuccess: (changed) => {
      void client.invalidateQueries({ queryKey: ["projects"] });
      toast(t(changed.archived ? "projects.archivedNow" : "projects.restored", { title: changed.title }));
    },
  });
  return (
    <Drawer
      label={t("projects.drawer")}
      onClose={onClose}
      head={
        <>
          <code className="min-w-0 truncate font-mono text-ui">{name}</code>
          <CopyButton text={name} label={t("common.copyId")} />
          <span className="flex-1" />
        </>
      }
      foot={
        changes ? (
          <>
            <Button busy={archiving.isPending ? t(project.archived ? "projects.restoring" : "projects.archiving") : false} onClick={() => archiving.mutate(!project.archived)}>
              {project.archived ? t("projects.restore") : t("projects.archive")}
            </Button>
            <Button kind="danger" onClick={() => setDeleting(true)}>
              {t("projects.remove")}
            </Button>
          </>
        ) : null
      }
    >
      {told.isError && project === undefined ? <Failed error={told.error} again={() => void told.refetch()} /> : null}
      {project === undefined ? (
        <Skeleton className="h-40" />
      ) : (
        <div className="flex flex-col gap-5">
          <div>
            <h2 className="flex flex-wrap items-center gap-2 text-title font-semibold">
              {project.title} {project.archived ? <Tag tone="slow">◆ {t("projects.archived")}</Tag> : null}
            </h2>
            {project.description === "" ? null : <p className="mt-1 text-body whitespace-pre-line text-ink-2">{project.description}</p>}
          </div>
          {archiving.isError ? <Failed error={archiving.error} /> : null}
          <Facts
            facts={[
              { name: t("projects.members"), value: format.count(project.members) },
              { name: t("projects.liveKeys"), value: format.count(project.live_keys) },
              { name: t("projects.yourRole"), value: project.role === null ? "–" : t(`people.projectRoles.${project.role}`) },
              { name: t("projects.made"), value: format.date(new Date(project.created_at)) },
            ]}
          />
          <p className="flex gap-4 text-ui">
            {may("keys.read") ? (
              <Link to="/keys/{-$keyId}" params={{ keyId: undefined }} search={{ project: project.name }}>
                {t("projects.itsCalls")}
              </Link>
            ) : null}
            <Link to="/usage" search={{ by: "project" }}>
              {t("projects.itsUsage")}
            </Link>
          </p>
          <Members project={project} changes={changes && !project.archived} />
          {changes ? <Details key={project.updated_at} project={project} /> : null}
        </div>
      )}
      {deleting && project !== undefined ? (
        <Delete
          project={project}
          onClose={() => setDeleting(false)}
          onDone={() => {
            setDeleting(false);
            onClose();
          }}
        />
      ) : null}
    </Drawer>
  );
}

function Members({ project, changes }: { project: Project; changes: boolean }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [part, setPart] = useState<Part>("editor");
  const path = `/api/projects/${project.name}/members`;
  const pages = useInfiniteQuery({
    queryKey: ["projects", "members", project.name],
    queryFn: ({ pageParam }) => request<MemberPage>("GET", path, { query: { limit: 100, cursor: pageParam } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const members = (pages.data?.pages ?? []).flatMap((page) => page.members);
  const renewed = () => void client.invalidateQueries({ queryKey: ["projects"] });
  const adding = useMutation({
    mutationFn: () => request<Member>("POST", path, { body: { email: email.trim(), role: part } }),
    onSuccess: (made) => {
      renewed();
      setEmail("");
      toast(t("projects.memberAdded", { email: made.email }));
    },
  });
  const changing = useMutation({
    mutationFn: ({ member, role }: { member: Member; role: Part }) => request<Member>("PUT", `${path}/${member.user_id}`, { body: { role } }),
    onSuccess: (changed) => {
      renewed();
      toast(t("projects.memberChanged", { name: changed.name, role: t(`people.projectRoles.${changed.role}`) }));
    },
  });
  /** What was chosen for a member shows before the server has it. */
  const becoming = (member: Member): Part | undefined => (changing.isPending && changing.variables.member.user_id === member.user_id ? changing.variables.role : undefined);
  const removing = useMutation({
    mutationFn: (member: Member) => request("DELETE", `${path}/${member.user_id}`),
    onSuccess: (_, member) => {
      renewed();
      toast(t("projects.memberRemoved", { name: member.name }));
    },
  });
  const fault = adding.error ?? changing.error ?? removing.error;
  function send(event: SyntheticEvent) {
    event.preventDefault();
    if (email.trim() !== "" && !adding.isPending) adding.mutate();
  }
  return (
    <section>
      <h3 className="mb-1 text-ui font-semibold">{t("projects.members")}</h3>
      {fault === null ? null : <Failed error={fault} />}
      {pages.isPending ? <Skeleton className="h-10" /> : pages.isError ? <Failed error={pages.error} again={() => void pages.refetch()} /> : members.length === 0 ? <p className="text-ui text-ink-3">{t("projects.noMembers")}</p> : null}
      <ul>
        {members.map((member) => (
          <li key={member.user_id} className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-t border-line py-1 text-ui first:border-0">
            <span className="min-w-0 flex-1 basis-40 truncate max-sm:basis-full">
              <b>{member.name}</b> <span className="text-ink-3">{member.email}</span>
            </span>
            {changes ? (
              <>
                <div className="w-[124px]">
                <SelectField hideLabel label={t("projects.memberRole", { name: member.name })} value={becoming(member) ?? member.role} aria-busy={becoming(member) !== undefined} onChange={(event) => changing.mutate({ member, role: event.target.value as Part })} options={parts.map((value) => ({ value, label: t(`people.projectRoles.${value}`) }))} />
                </div>
                <Button size="small" busy={removing.isPending && removing.variables.user_id === member.user_id ? t("projects.memberRemoving") : false} onClick={() => removing.mutate(member)}>
                  {t("projects.memberRemove")}
                </Button>
              </>
            ) : (
              <Tag>{t(`people.projectRoles.${member.role}`)}</Tag>
            )}
          </li>
        ))}
      </ul>
      {pages.hasNextPage ? (
        <Button size="small" onClick={() => void pages.fetchNextPage()}>
          {t("nav.more")}
        </Button>
      ) : null}
      {changes ? (
        <form onSubmit={send} noValidate className="mt-3 grid grid-cols-1 items-start gap-2 sm:grid-cols-[minmax(0,1fr)_130px_auto]">
          <TextField label={t("projects.memberAdd")} help={t("projects.emailHelp")} type="email" inputMode="email" autoComplete="off" value={email} onChange={(event) => setEmail(event.target.value)} />
          <SelectField label={t("people.projectRole")} help={t(`projects.roleDoes.${part}`)} value={part} onChange={(event) => setPart(event.target.value as Part)} options={parts.map((value) => ({ value, label: t(`people.projectRoles.${value}`) }))} />
          <Button type="submit" className="sm:mt-6" busy={adding.isPending ? t("projects.memberAdding") : false}>
            {t("projects.memberAdd")}
          </Button>
        </form>
      ) : null}
    </section>
  );
}

function Details({ project }: { project: Project }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [title, setTitle] = useState(project.title);
  const [description, setDescription] = useState(project.description);
  const saving = useMutation({
    mutationFn: () => request<Project>("PUT", `/api/projects/${project.name}`, { body: { title: title.trim(), description: description.trim(), archived: project.archived } }),
    onSuccess: (changed) => {
      client.setQueryData(["projects", "one", project.name], changed);
      void client.invalidateQueries({ queryKey: ["projects"] });
      toast(t("projects.saved", { title: changed.title }));
    },
  });
  const same = title.trim() === project.title && description.trim() === project.description;
  return (
    <form
      noValidate
      className="flex flex-col gap-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (!same && title.trim() !== "") saving.mutate();
      }}
    >
      {saving.isError ? <Failed error={saving.error} /> : null}
      <TextField label={t("projects.title")} value={title} maxLength={200} autoComplete="off" error={title.trim() === "" ? t("projects.needTitle") : undefined} onChange={(event) => setTitle(event.target.value)} />
      <AreaField label={t("projects.description")} rows={3} maxLength={2000} value={description} onChange={(event) => setDescription(event.target.value)} />
      {same ? null : (
        <div>
          <Button kind="primary" type="submit" busy={saving.isPending ? t("common.saving") : false}>
            {t("projects.save")}
          </Button>
        </div>
      )}
    </form>
  );
}

function Delete({ project, onClose, onDone }: { project: Project; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const deleting = useMutation({
    mutationFn: () => request("DELETE", `/api/projects/${project.name}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["projects", "list"] });
      toast(t("projects.removed", { title: project.title }));
      onDone();
    },
  });
  return (
    <Dialog open onClose={onClose} title={t("projects.removeTitle", { title: project.title })} subtitle={t("projects.removeWhat")} width={480} focus="[data-cancel]">
      {deleting.isError ? <Failed error={deleting.error} /> : null}
      <TextField label={<span className="font-mono">{project.name}</span>} value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
      <DialogFoot>
        <Button data-cancel="" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button kind="danger-filled" disabled={typed.trim() !== project.name} busy={deleting.isPending ? t("projects.removing") : false} onClick={() => deleting.mutate()}>
          {t("projects.removeVerb", { name: project.name })}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
