/** The form that invites somebody; then the link, once. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { OneTime } from "@/components/one-time";
import { Failed } from "@/components/panel";
import { useFormat } from "@/i18n";
import type { Role } from "@/lib/api/contract";
import { ApiError, request } from "@/lib/api/request";
import type { InvitationCreated } from "@/lib/api/types";
import { projectsQuery } from "@/lib/catalog";
import { useMay } from "@/lib/rights";

const projectRoles = ["maintainer", "editor", "viewer"] as const;
type ProjectRole = (typeof projectRoles)[number];

export function InviteDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const may = useMay();
  const projects = useQuery(projectsQuery).data ?? [];
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("user");
  const [project, setProject] = useState("");
  const [projectRole, setProjectRole] = useState<ProjectRole>("editor");
  const [fault, setFault] = useState("");
  const inviting = useMutation({
    mutationFn: () => request<InvitationCreated>("POST", "/api/invitations", { body: { email: email.trim(), role, ...(project === "" ? {} : { project, project_role: projectRole }) } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["invitations"] }),
    onError: (error) => (error instanceof ApiError && error.fault.param === "email" ? setFault(error.fault.message) : undefined),
  });
  function send(event: SyntheticEvent) {
    event.preventDefault();
    if (!/^\S+@\S+$/.test(email.trim())) return setFault(t("people.needEmail"));
    setFault("");
    inviting.mutate();
  }
  if (inviting.data !== undefined) {
    const made = inviting.data;
    return <OneTime title={t("people.linkReady")} text={t("people.linkWhat", { until: format.full(new Date(made.expires_at)), email: made.email })} secret={location.origin + made.path} copyLabel={t("people.copyLink")} onClose={onClose} />;
  }
  return (
    <Dialog open onClose={onClose} title={t("people.invite")} subtitle={t("people.inviteWhat")} width={480}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {inviting.isError && fault === "" ? <Failed error={inviting.error} /> : null}
        <TextField label={t("people.email")} type="email" inputMode="email" autoComplete="off" value={email} error={fault === "" ? undefined : fault} onChange={(event) => (setEmail(event.target.value), setFault(""))} />
        <SelectField label={t("people.role")} help={t(`people.roleDoes.${role}`)} value={role} onChange={(event) => setRole(event.target.value as Role)} options={(["guest", "user", "admin", ...(may("owners") ? (["owner"] as const) : [])] as const).map((value) => ({ value, label: t(`role.${value}`) }))} />
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
          <SelectField label={t("people.project")} value={project} onChange={(event) => setProject(event.target.value)} options={[{ value: "", label: t("people.noProject") }, ...projects.map((each) => ({ value: each.name, label: each.title }))]} />
          <SelectField label={t("people.projectRole")} disabled={project === ""} value={projectRole} onChange={(event) => setProjectRole(event.target.value as ProjectRole)} options={projectRoles.map((value) => ({ value, label: t(`people.projectRoles.${value}`) }))} />
        </div>
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={inviting.isPending ? t("people.inviting") : false}>
            {t("people.makeLink")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
