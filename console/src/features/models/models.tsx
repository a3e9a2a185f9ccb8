/** What can we call, and what would it cost? */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { TextField } from "@/components/field";
import { FilterChip } from "@/components/filter-chip";
import { Empty, Failed, Rows, Tag } from "@/components/panel";
import { RateDialog } from "@/features/models/rate-dialog";
import { useFormat } from "@/i18n";
import type { Model } from "@/lib/api/types";
import { useMay } from "@/lib/rights";
import { modelsQuery, providersQuery } from "@/lib/catalog";
import { reportQuery } from "@/lib/periods";

/** A model of the house itself costs nobody anything. */
export function isFree(model: Model): boolean {
  return model.provider === "sandbox" || model.provider === "builtin";
}

export function Models() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const search = useSearch({ from: "/frame/models" });
  const [rating, setRating] = useState<Model | null>(null);
  const models = useQuery(modelsQuery);
  const rates = useMay()("catalog.write");
  const providers = useQuery(providersQuery).data ?? [];
  const report = useQuery(reportQuery("24h", "model"));
  const rows = new Map((report.data?.rows ?? []).map((row) => [row.key, row]));
  const all = models.data?.models ?? [];
  const find = (search.find ?? "").toLowerCase();
  const unpriced = (model: Model) => model.rate === null && !isFree(model);
  const shown = all.filter((model) => (search.provider === undefined || model.provider === search.provider) && (search.show !== "unpriced" || unpriced(model)) && model.id.toLowerCase().includes(find));
  const filter = (part: typeof search) => void navigate({ to: "/models", search: { ...search, ...part }, replace: true });

  const columns: Column<Model>[] = [
    { id: "model", head: t("word.model"), width: "minmax(180px,2fr)", cell: (model) => <b title={model.id}>{model.id}</b> },
    {
      id: "capabilities",
      head: t("models.can"),
      width: "minmax(140px,1.4fr)",
      from: "md",
      cell: (model) => (
        <span className="inline-flex gap-1">
          {model.capabilities.map((capability) => (
            <Tag key={capability}>{capability}</Tag>
          ))}
        </span>
      ),
    },
    { id: "context", head: t("models.context"), right: true, width: "120px", from: "lg", cell: (model) => (model.context_length === null ? "–" : format.count(model.context_length)) },
    { id: "calls", head: t("keys.calls24"), right: true, width: "110px", from: "md", cell: (model) => format.count(rows.get(model.id)?.calls ?? 0) },
    {
      id: "rate",
      head: t("models.ratePerMillion"),
      right: true,
      width: "minmax(150px,1fr)",
      cell: (model) =>
        model.rate !== null ? (
          `${format.money(model.rate.input_price, model.rate.currency, 2)} → ${format.money(model.rate.output_price, model.rate.currency, 2)}`
        ) : isFree(model) ? (
          <span className="text-ink-3">{t("models.free")}</span>
        ) : (
          <Tag tone="slow">◆ {t("calls.unpriced")}</Tag>
        ),
    },
    { id: "source", head: t("models.source"), width: "minmax(110px,1fr)", from: "lg", cell: (model) => (model.rate === null ? "" : <span className="text-ink-2">{[model.rate.source, model.rate.since === null ? "" : format.date(new Date(model.rate.since))].filter(Boolean).join(", ")}</span>) },
    {
      id: "acts",
      head: <span className="sr-only">{t("palette.act")}</span>,
      right: true,
      width: "190px",
      from: "md",
      cell: (model) => (
        <span className="inline-flex gap-1.5" onClick={(event) => event.stopPropagation()}>
          <Link to="/playground" search={{ models: model.id }} className="px-2 leading-[26px]">
            {t("models.try")}
          </Link>
          {isFree(model) || !rates ? null : (
            <Button size="small" onClick={() => setRating(model)}>
              {t("models.setRate")}
            </Button>
          )}
        </span>
      ),
    },
  ];
  return (
    <Screen id="models" filled liveState={null}>
      <div className="flex shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-2.5 sm:px-6">
        <div className="w-[220px] max-w-full">
          <TextField hideLabel label={t("models.find")} placeholder={t("models.find")} type="search" value={search.find ?? ""} onChange={(event) => filter({ find: event.target.value === "" ? undefined : event.target.value })} />
        </div>
        <FilterChip name={t("word.provider")} value={search.provider} options={[...new Set(all.map((model) => model.provider))].map((value) => ({ value, label: value }))} onChange={(provider) => filter({ provider })} />
        <FilterChip name={t("models.rate")} value={search.show} options={[{ value: "unpriced", label: t("calls.unpriced"), hint: format.count(all.filter(unpriced).length) }]} onChange={(show) => filter({ show })} />
        <span className="ml-auto text-cap text-ink-3" role="status">
          {models.data === undefined ? "" : t("models.summary", { count: shown.length, n: format.count(shown.length), providers: providers.length })}
        </span>
      </div>
      {models.isPending ? (
        <Rows count={12} />
      ) : models.isError ? (
        <Failed error={models.error} again={() => void models.refetch()} />
      ) : shown.length === 0 ? (
        <Empty
          text={search.show === "unpriced" && find === "" ? t("models.allPriced") : t("models.noneMatch")}
          act={
            <Link to="/models" search={{}}>
              {t("common.dropFilters")}
            </Link>
          }
        />
      ) : (
        <DataTable
          label={t("nav.models")}
          rows={shown}
          columns={columns}
          rowHeight={40}
          idOf={(model) => model.id}
          onOpen={(model) => (isFree(model) || !rates ? void navigate({ to: "/playground", search: { models: model.id } }) : setRating(model))}
          phone={(model) => (
            <>
              <b className="block truncate">{model.id}</b>
              <div className="flex gap-2 text-cap text-ink-3">
                <span className="min-w-0 flex-1 truncate">{model.capabilities.join(", ")}</span>
                <span>{model.rate === null ? (isFree(model) ? t("models.free") : t("calls.unpriced")) : `${format.money(model.rate.input_price, model.rate.currency, 2)} → ${format.money(model.rate.output_price, model.rate.currency, 2)}`}</span>
              </div>
            </>
          )}
        />
      )}
      {rating === null ? null : <RateDialog model={rating} onClose={() => setRating(null)} />}
    </Screen>
  );
}
