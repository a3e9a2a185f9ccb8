/** The calls of the filters as a file: page by page, with progress and a way out. All digits of money stay. */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Segmented } from "@/components/field";
import { Failed } from "@/components/panel";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Call, CallPage } from "@/lib/api/types";

const PAGE = 1000;
const fields = ["id", "request_id", "started_at", "status", "http_status", "model", "provider", "key_id", "key_label", "project", "address", "stream", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "usage_source", "cost", "currency", "duration_ms", "ttfb_ms", "attempts", "finish_reason"] as const;

/** One field of a CSV line. A value that a spreadsheet would run as a formula is made text. */
export function csvField(value: unknown): string {
  if (value === null || value === undefined) return "";
  let text = typeof value === "string" ? value : JSON.stringify(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(calls: readonly Call[]): string {
  return calls.map((call) => [...fields.map((field) => call[field]), call.error?.code].map(csvField).join(",") + "\r\n").join("");
}

export function ExportDialog({ query, onClose }: { query: Record<string, string | undefined>; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [kind, setKind] = useState<"csv" | "json">("csv");
  const [progress, setProgress] = useState<{ done: number; of: number } | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);

  async function begin() {
    const controller = new AbortController();
    stop.current = controller;
    setFault(null);
    setProgress({ done: 0, of: 0 });
    try {
      const { count } = await request<{ count: number }>("GET", "/api/calls/count", { query, signal: controller.signal });
      const parts: string[] = kind === "csv" ? [[...fields, "error"].join(",") + "\r\n"] : [];
      let cursor: string | null = "";
      let done = 0;
      while (cursor !== null) {
        const page: CallPage = await request<CallPage>("GET", "/api/calls", { query: { ...query, limit: PAGE, cursor }, signal: controller.signal });
        parts.push(kind === "csv" ? csvOf(page.calls) : page.calls.map((call) => JSON.stringify(call) + "\n").join(""));
        done += page.calls.length;
        cursor = page.next_cursor;
        setProgress({ done, of: Math.max(count, done) });
      }
      save(new Blob(parts, { type: kind === "csv" ? "text/csv" : "application/x-ndjson" }), `sekisho-calls-${new Date().toISOString().slice(0, 16).replace(":", "")}.${kind === "csv" ? "csv" : "jsonl"}`);
      onClose();
    } catch (error) {
      setProgress(null);
      if (!(error instanceof DOMException && error.name === "AbortError")) setFault(error);
    }
  }

  const share = progress === null || progress.of === 0 ? 0 : progress.done / progress.of;
  return (
    <Dialog open onClose={onClose} title={t("calls.exportTitle")} subtitle={t("calls.exportWhat")} width={460}>
      {fault === null ? null : <Failed error={fault} again={() => void begin()} />}
      {progress === null ? (
        <Segmented label={t("calls.format")} value={kind} options={[{ value: "csv", label: "CSV" }, { value: "json", label: "JSON Lines" }]} onChange={setKind} />
      ) : (
        <div>
          <div role="progressbar" aria-label={t("calls.exporting")} aria-valuenow={Math.floor(share * 100)} aria-valuemin={0} aria-valuemax={100} className="h-2 overflow-hidden rounded-bar bg-sunk">
            <div className="h-full bg-ai" style={{ width: `${share * 100}%` }} />
          </div>
          <p className="mt-1.5 text-cap text-ink-2">{t("calls.exportProgress", { done: format.count(progress.done), of: format.count(progress.of) })}</p>
        </div>
      )}
      <DialogFoot>
        <Button onClick={() => (progress === null ? onClose() : stop.current?.abort())}>{t("common.cancel")}</Button>
        <Button kind="primary" busy={progress === null ? false : t("calls.exporting")} onClick={() => void begin()}>
          {t("calls.export")}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
