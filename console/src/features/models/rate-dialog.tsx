/** What a model costs from now on. Calls of the past keep their cost. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { Model, ModelWritten } from "@/lib/api/types";

interface Fields {
  input_price: string;
  output_price: string;
  cached_input_price: string;
}

/** A price is a plain decimal; more than 10000 per million was probably meant per token. */
export function isPrice(text: string): boolean {
  return /^\d{1,5}(\.\d{1,10})?$/.test(text.trim()) && Number(text) <= 10_000;
}

export function RateDialog({ model, onClose }: { model: Model; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [fields, setFields] = useState<Fields>({ input_price: model.rate?.input_price ?? "", output_price: model.rate?.output_price ?? "", cached_input_price: model.rate?.cached_input_price ?? "" });
  const [faults, setFaults] = useState<Partial<Record<keyof Fields, string>>>({});
  const currency = model.rate?.currency ?? "USD";
  const saving = useMutation({
    mutationFn: () => request<ModelWritten>("PUT", `/api/models/${model.id}/rate`, { body: { input_price: fields.input_price.trim(), output_price: fields.output_price.trim(), cached_input_price: fields.cached_input_price.trim() || null, currency } }),
    onSuccess: (stored) => {
      void client.invalidateQueries({ queryKey: ["models"] });
      toast(t("models.rateSaved", { model: stored.id, input: format.money(stored.rate?.input_price ?? 0, currency, 2), output: format.money(stored.rate?.output_price ?? 0, currency, 2) }));
      onClose();
    },
    onError: (error) => {
      if (error instanceof ApiError && error.fault.param !== null && error.fault.param in fields) setFaults({ [error.fault.param]: error.message });
    },
  });
  function send(event: SyntheticEvent) {
    event.preventDefault();
    const found: Partial<Record<keyof Fields, string>> = {};
    if (!isPrice(fields.input_price)) found.input_price = t("models.needPrice");
    if (!isPrice(fields.output_price)) found.output_price = t("models.needPrice");
    if (fields.cached_input_price.trim() !== "" && !isPrice(fields.cached_input_price)) found.cached_input_price = t("models.needPrice");
    setFaults(found);
    if (Object.keys(found).length === 0) saving.mutate();
  }
  const input = (name: keyof Fields) => ({ value: fields[name], error: faults[name], inputMode: "decimal" as const, autoComplete: "off", onChange: (event: { target: { value: string } }) => (setFields({ ...fields, [name]: event.target.value }), setFaults({})) });
  const example = isPrice(fields.input_price) && isPrice(fields.output_price) ? (1000 * Number(fields.input_price) + 500 * Number(fields.output_price)) / 1e6 : null;
  return (
    <Dialog open onClose={onClose} title={t("models.rateOf", { model: model.id })} subtitle={t("models.rateWhat", { currency })} width={480}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {saving.isError && Object.keys(faults).length === 0 ? <Failed error={saving.error} /> : null}
        <div className="grid gap-3 sm:grid-cols-2">
          <TextField label={t("calls.input")} placeholder="0.15" {...input("input_price")} />
          <TextField label={t("calls.output")} placeholder="0.60" {...input("output_price")} />
        </div>
        <TextField label={t("models.cachedPrice")} help={t("models.cachedHelp")} {...input("cached_input_price")} />
        <p className="h-4 text-cap text-ink-3">{example === null ? "" : t("models.example", { cost: format.money(example, currency) })}</p>
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={saving.isPending ? t("common.saving") : false}>
            {t("models.setRate")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
