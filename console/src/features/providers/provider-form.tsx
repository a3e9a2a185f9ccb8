/** Adding a provider: name, kind, address and secret, tried before anything is saved. Used by the providers' screen and by the setup. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { SecretField, SelectField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { ApiError, request } from "@/lib/api/request";
import type { ProviderWritten } from "@/lib/api/types";

/** Kinds that this build serves, with the address that is usual; null means that one must be given. */
export const kinds = {
  openai: { title: "OpenAI", address: "https://api.openai.com/v1", secret: true },
  ollama: { title: "Ollama", address: "http://127.0.0.1:11434", secret: false },
  vllm: { title: "vLLM", address: "http://127.0.0.1:8000", secret: false },
  llamacpp: { title: "llama.cpp", address: "http://127.0.0.1:8080", secret: false },
  lmstudio: { title: "LM Studio", address: "http://127.0.0.1:1234", secret: false },
  custom: { title: "OpenAI-compatible", address: "", secret: true },
} as const;

export type Kind = keyof typeof kinds;

interface Fields {
  name: string;
  kind: Kind;
  base_url: string;
  api_key: string;
}

/** On which field an error of the server belongs. */
function fieldOf(error: ApiError): keyof Fields | null {
  const { code, param } = error.fault;
  if (param === "name" || param === "kind" || param === "base_url" || param === "api_key") return param;
  if (code === "credential_refused") return "api_key";
  if (code === "provider_unreachable" || code === "provider_failed") return "base_url";
  return code === "name_taken" ? "name" : null;
}

export function ProviderForm({ onDone, onCancel }: { onDone: (made: ProviderWritten) => void; onCancel?: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [fields, setFields] = useState<Fields>({ name: "openai", kind: "openai", base_url: "", api_key: "" });
  const [faults, setFaults] = useState<Partial<Record<keyof Fields, string>>>({});
  const adding = useMutation({
    mutationFn: (probe: boolean) =>
      request<ProviderWritten>("POST", "/api/providers", {
        body: { name: fields.name.trim(), kind: fields.kind, base_url: fields.base_url.trim() || null, api_key: fields.api_key.trim() || null, probe },
      }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["providers"] });
      void client.invalidateQueries({ queryKey: ["models"] });
      onDone(made);
    },
    onError: (error) => {
      const field = error instanceof ApiError ? fieldOf(error) : null;
      if (field !== null) setFaults({ [field]: error.message });
    },
  });

  function change(part: Partial<Fields>) {
    const next = { ...fields, ...part };
    if (part.kind !== undefined && (fields.name === "" || fields.name in kinds)) next.name = part.kind === "custom" ? "" : part.kind;
    setFields(next);
    setFaults({});
  }

  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: Partial<Record<keyof Fields, string>> = {};
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(fields.name.trim())) found.name = t("providers.badName");
    if (fields.kind === "custom" && fields.base_url.trim() === "") found.base_url = t("providers.needAddress");
    if (fields.kind === "openai" && fields.api_key.trim() === "") found.api_key = t("providers.needSecret");
    setFaults(found);
    if (Object.keys(found).length === 0) adding.mutate(true);
  }

  const error = adding.error instanceof ApiError ? adding.error : null;
  const placed = error !== null && fieldOf(error) !== null;
  const unreachable = error !== null && ["provider_unreachable", "provider_failed"].includes(error.fault.code);
  const kind = kinds[fields.kind];
  return (
    <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
      {adding.isError && !placed ? <Failed error={adding.error} /> : null}
      <SelectField label={t("providers.kind")} value={fields.kind} onChange={(event) => change({ kind: event.target.value as Kind })} options={(Object.keys(kinds) as Kind[]).map((value) => ({ value, label: kinds[value].title }))} />
      <TextField label={t("providers.name")} help={t("providers.nameHelp", { name: fields.name || "acme" })} value={fields.name} error={faults.name} autoComplete="off" spellCheck={false} onChange={(event) => change({ name: event.target.value })} />
      <TextField label={t("providers.address")} help={t("providers.addressHelp")} placeholder={kind.address} inputMode="url" value={fields.base_url} error={faults.base_url} autoComplete="off" spellCheck={false} onChange={(event) => change({ base_url: event.target.value })} />
      <SecretField label={kind.secret ? t("providers.secret") : t("providers.secretOptional")} help={t("providers.secretHelp")} value={fields.api_key} error={faults.api_key} onChange={(event) => change({ api_key: event.target.value })} />
      <p role="status" className="text-cap text-ink-3">
        {adding.isPending ? t("providers.probing") : t("providers.probeFirst")}
      </p>
      <div className="flex flex-wrap justify-end gap-2">
        {onCancel === undefined ? null : <Button onClick={onCancel}>{t("common.cancel")}</Button>}
        {unreachable ? (
          <Button busy={adding.isPending ? t("providers.adding") : false} onClick={() => adding.mutate(false)}>
            {t("providers.addAnyway")}
          </Button>
        ) : null}
        <Button kind="primary" type="submit" busy={adding.isPending ? t("providers.testing") : false}>
          {t("providers.testAndAdd")}
        </Button>
      </div>
    </form>
  );
}
