/** All filters of the list as chips, and the search for an id. What is chosen stands in the address. */
import { useQuery } from "@tanstack/react-query";
import { type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { TextField } from "@/components/field";
import { FilterChip } from "@/components/filter-chip";
import { type CallFilters, slownesses, spans, statuses } from "@/features/calls/filters";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { Call, CallPage } from "@/lib/api/types";
import { apisQuery } from "@/lib/apis";
import { modelsQuery, projectsQuery, providersQuery, useKeyNames } from "@/lib/catalog";

/** Filters whose value may be one that no menu lists. */
type Asked = "time" | "model" | "error" | "slower";
/** After so long without a key the list is asked for. */
const PAUSE_MS = 250;
/** Boot and number of a record. */
const RECORD = /^[0-9a-z]{6,}-\d{1,18}$/;

interface Props {
  filters: CallFilters;
  /** The calls in sight: their errors are offered. */
  calls: readonly Call[];
  onFilter: (part: CallFilters, typing?: boolean) => void;
  onOpen: (id: string) => void;
}

export function FilterBar({ filters, calls, onFilter, onOpen }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [asking, setAsking] = useState<Asked | null>(null);
  const keys = useKeyNames().data ?? [];
  const apis = useQuery(apisQuery).data ?? [];
  const models = useQuery(modelsQuery).data?.models ?? [];
  const providers = useQuery(providersQuery).data ?? [];
  const projects = useQuery(projectsQuery).data ?? [];
  const codes = [...new Set(calls.flatMap((call) => (call.error === null ? [] : [call.error.code])))].sort();
  const other = (what: Asked) => ({ label: t("calls.other"), act: () => setAsking(what) });
  const at = (text: string | undefined) => (text === undefined || Number.isNaN(Date.parse(text)) ? "…" : format.listTime(new Date(text), new Date(0)));
  const fixed = filters.last === undefined && (filters.since !== undefined || filters.until !== undefined);
  return (
    <>
      <Find filters={filters} onFilter={onFilter} onOpen={onOpen} />
      <FilterChip
        name={t("calls.last")}
        value={fixed ? "fixed" : filters.last}
        none={t("calls.allTime")}
        options={Object.keys(spans).map((value) => ({ value, label: t(`calls.spans.${value as "1h"}`) }))}
        write={(value) => (value === "fixed" ? `${at(filters.since)} – ${at(filters.until)}` : value)}
        other={{ label: t("calls.fromTo"), act: () => setAsking("time") }}
        onChange={(last) => onFilter({ last, since: undefined, until: undefined })}
      />
      <FilterChip name={t("calls.status")} value={filters.status} options={statuses.map((value) => ({ value, label: t(`calls.statuses.${value}`) }))} onChange={(status) => onFilter({ status })} />
      {apis.length === 0 && filters.api === undefined ? null : <FilterChip name={t("apis.word")} value={filters.api} options={apis.map((each) => ({ value: each.name, label: each.name, hint: each.title === "" ? undefined : each.title }))} onChange={(api) => onFilter({ api })} />}
      <FilterChip name={t("word.model")} value={filters.model} options={models.map((model) => ({ value: model.id, label: model.id }))} other={other("model")} onChange={(model) => onFilter({ model })} />
      <FilterChip name={t("word.key")} value={filters.key} options={keys.map((key) => ({ value: key.id, label: key.label }))} onChange={(key) => onFilter({ key })} />
      <FilterChip name={t("word.provider")} value={filters.provider} options={providers.map((provider) => ({ value: provider.name, label: provider.name }))} onChange={(provider) => onFilter({ provider })} />
      <FilterChip name={t("keys.project")} value={filters.project} options={projects.map((each) => ({ value: each.name, label: each.name, hint: each.title === each.name ? undefined : each.title }))} onChange={(project) => onFilter({ project })} />
      <FilterChip name={t("calls.error")} value={filters.error} options={codes.map((value) => ({ value, label: value }))} other={other("error")} onChange={(error) => onFilter({ error })} />
      <FilterChip name={t("calls.slower")} value={filters.slower} options={slownesses.map((value) => ({ value, label: format.duration(Number(value)) }))} write={(value) => (Number.isNaN(Number(value)) ? value : format.duration(Number(value)))} other={other("slower")} onChange={(slower) => onFilter({ slower })} />
      {asking === null ? null : <Ask what={asking} filters={filters} onFilter={onFilter} onClose={() => setAsking(null)} />}
    </>
  );
}

/** While one types, ids that begin so; with Enter, the very call, where there is one. */
function Find({ filters, onFilter, onOpen }: Omit<Props, "calls">) {
  const { t } = useTranslation();
  const [text, setText] = useState(filters.find ?? "");
  const [looking, setLooking] = useState(false);
  const timer = useRef(0);
  const sent = useRef(filters.find ?? "");
  useEffect(() => {
    // The address changed by another way: a link, the way back, a filter that was dropped.
    if ((filters.find ?? "") !== sent.current) {
      sent.current = filters.find ?? "";
      setText(sent.current);
    }
  }, [filters.find]);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  function search(next: string) {
    window.clearTimeout(timer.current);
    sent.current = next.trim();
    onFilter({ find: sent.current === "" ? undefined : sent.current }, true);
  }
  async function exactly(event: SyntheticEvent) {
    event.preventDefault();
    const id = text.trim();
    search(id);
    if (id === "") return;
    setLooking(true);
    try {
      const { calls } = await request<CallPage>("GET", "/api/calls", { query: { q: id, limit: 20 } });
      const found = calls.find((call) => call.request_id === id) ?? calls.find((call) => call.client_request_id === id);
      if (found !== undefined) onOpen(id === found.request_id ? id : found.id);
      // Records have an id of their own, which no request was told.
      else if (calls.length === 0 && RECORD.test(id)) onOpen(id);
    } catch (error) {
      // The list, which asked for the same, says what is wrong.
      if (!(error instanceof ApiError)) throw error;
    } finally {
      setLooking(false);
    }
  }
  return (
    <form role="search" aria-busy={looking || undefined} onSubmit={(event) => void exactly(event)} className="w-[220px] max-sm:w-[208px] max-sm:shrink-0">
      <TextField
        hideLabel
        type="search"
        label={t("calls.find")}
        placeholder={t("calls.find")}
        title={t("calls.findHelp")}
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        className="!h-7 max-sm:!h-11"
        value={text}
        onChange={(event) => {
          const next = event.target.value;
          setText(next);
          window.clearTimeout(timer.current);
          timer.current = window.setTimeout(() => search(next), PAUSE_MS);
        }}
      />
    </form>
  );
}

const local = (text: string | undefined) => {
  if (text === undefined || Number.isNaN(Date.parse(text))) return "";
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

/** Any other value, typed: a time between two, a model that is gone, a code, a duration. */
function Ask({ what, filters, onFilter, onClose }: { what: Asked; filters: CallFilters; onFilter: Props["onFilter"]; onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState(what === "model" ? (filters.model ?? "") : what === "error" ? (filters.error ?? "") : what === "slower" ? (filters.slower ?? "") : "");
  const [since, setSince] = useState(local(filters.since));
  const [until, setUntil] = useState(local(filters.until));
  const [fault, setFault] = useState<string>();
  function send(event: SyntheticEvent) {
    event.preventDefault();
    const plain = text.trim();
    if (what === "time") {
      if (since !== "" && until !== "" && since >= until) return setFault(t("calls.badTimes"));
      const utc = (value: string) => (value === "" ? undefined : new Date(value).toISOString());
      onFilter({ last: undefined, since: utc(since), until: utc(until) });
    } else if (what === "slower") {
      const ms = Number(plain.replace(/,/g, ""));
      if (plain === "" || Number.isNaN(ms) || ms < 0 || ms > 1e9) return setFault(t("calls.badMs"));
      onFilter({ slower: String(ms) });
    } else onFilter({ [what]: plain === "" ? undefined : plain });
    onClose();
  }
  const one = what === "time" ? "model" : what;
  return (
    <Dialog open onClose={onClose} title={t(`calls.ask.${what}`)} width={420}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {what === "time" ? (
          <>
            <TextField label={t("calls.since")} type="datetime-local" value={since} onChange={(event) => (setSince(event.target.value), setFault(undefined))} />
            <TextField label={t("calls.until")} type="datetime-local" value={until} error={fault} help={t("calls.timesHelp")} onChange={(event) => (setUntil(event.target.value), setFault(undefined))} />
          </>
        ) : (
          <TextField
            label={t(`calls.asked.${one}`)}
            help={t(`calls.askedHelp.${one}`)}
            error={fault}
            inputMode={what === "slower" ? "numeric" : "text"}
            value={text}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => (setText(event.target.value), setFault(undefined))}
          />
        )}
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit">
            {t("calls.apply")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
