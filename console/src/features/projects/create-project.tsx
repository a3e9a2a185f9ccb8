/** The form for a new project: its name is chosen once, its title at any time. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { AreaField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { ApiError, request } from "@/lib/api/request";
import type { Project } from "@/lib/api/types";

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** A name as one would derive it from a title; empty where the title has no letters for one. */
export function nameOf(title: string): string {
  return title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+|-+$/g, "")
    .slice(0, 63);
}

export function CreateProjectDialog({ onClose, onDone }: { onClose: () => void; onDone: (made: Project) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [title, setTitle] = useState("");
  const [name, setName] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [faults, setFaults] = useState<{ title?: string; name?: string }>({});
  const own = name ?? nameOf(title);
  const creating = useMutation({
    mutationFn: () => request<Project>("POST", "/api/projects", { body: { name: own, title: title.trim(), description: description.trim() } }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["projects"] });
      toast(t("projects.created", { title: made.title }));
      onDone(made);
    },
    onError: (error) => {
      if (error instanceof ApiError && (error.fault.param === "name" || error.fault.param === "title")) setFaults({ [error.fault.param]: error.fault.message });
    },
  });
  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: typeof faults = {};
    if (title.trim() === "") found.title = t("projects.needTitle");
    if (!NAME.test(own)) found.name = t("projects.badName");
    setFaults(found);
    if (Object.keys(found).length === 0) creating.mutate();
  }
  return (
    <Dialog open onClose={onClose} title={t("projects.create")} width={480}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {creating.isError && Object.keys(faults).length === 0 ? <Failed error={creating.error} /> : null}
        <TextField label={t("projects.title")} value={title} maxLength={200} autoComplete="off" error={faults.title} onChange={(event) => (setTitle(event.target.value), setFaults({}))} />
        <TextField label={t("projects.name")} help={t("projects.nameHelp")} value={own} maxLength={63} autoComplete="off" spellCheck={false} error={faults.name} onChange={(event) => (setName(event.target.value), setFaults({}))} />
        <AreaField label={t("projects.description")} value={description} maxLength={2000} rows={3} onChange={(event) => setDescription(event.target.value)} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={creating.isPending ? t("projects.creating") : false}>
            {t("projects.create")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
