/** When somebody wants to know, or leaves: the copy of all that concerns them, and what an erasure takes and leaves. For an admin and for oneself. */
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { toast } from "@/components/toast";
import { fetchFile, save, stamp } from "@/lib/download";

export function CopyOfData({ path, who, label }: { path: string; who: string; label: string }) {
  const { t } = useTranslation();
  const fetching = useMutation({
    mutationFn: () => fetchFile(path, { format: "jsonl" }),
    onSuccess: (file) => save(file, `sekisho-${who.replace(/[^\w.@-]+/g, "-")}-${stamp()}.jsonl`),
    onError: (error) => toast(error.message === "" ? t("error.unreachable") : error.message, { failed: true }),
  });
  return (
    <Button icon="export" busy={fetching.isPending ? t("departure.fetching") : false} onClick={() => fetching.mutate()}>
      {label}
    </Button>
  );
}

export function WhatGoes() {
  const { t } = useTranslation();
  const part = (head: string, text: string) => (
    <div>
      <dt className="font-semibold">{head}</dt>
      <dd className="text-ink-2">{text}</dd>
    </div>
  );
  return (
    <dl className="flex flex-col gap-2 rounded-panel bg-sunk px-3 py-2.5 text-ui">
      {part(t("departure.goes"), t("departure.goesWhat"))}
      {part(t("departure.stays"), t("departure.staysWhat"))}
    </dl>
  );
}
