/** The calls of the filters as a file, as the server writes it: with progress and a way out. All digits of money stay. */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { Segmented } from "@/components/field";
import { Failed } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import { address } from "@/lib/api/request";
import { CutShortError, fetchFile, type FileFormat, type Progress, save, stamp } from "@/lib/download";

const PATH = "/api/calls/export";

export function ExportDialog({ query, onClose }: { query: Record<string, string | undefined>; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [kind, setKind] = useState<FileFormat>("csv");
  const [progress, setProgress] = useState<Progress | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);

  async function begin() {
    const controller = new AbortController();
    stop.current = controller;
    setFault(null);
    setProgress({ entries: 0, of: null });
    try {
      const file = await fetchFile(PATH, { query: { ...query, format: kind }, format: kind, signal: controller.signal, onProgress: setProgress });
      save(file, `sekisho-calls-${stamp()}.${kind}`);
      toast(t("calls.exported", { size: format.bytes(file.size) }));
      onClose();
    } catch (error) {
      setProgress(null);
      if (controller.signal.aborted) return;
      setFault(error instanceof CutShortError ? new Error(t("calls.exportCut", { n: error.message })) : error);
    }
  }

  const share = progress?.of == null ? null : progress.of === 0 ? 1 : Math.min(1, progress.entries / progress.of);
  const command = `curl -H "authorization: Bearer $TOKEN" "${location.origin}${address(PATH, { ...query, format: kind })}"`;
  return (
    <Dialog open onClose={onClose} title={t("calls.exportTitle")} subtitle={t("calls.exportWhat")} width={500} focus="[data-begin]">
      {fault === null ? null : <Failed error={fault} again={() => void begin()} />}
      {progress === null ? (
        <>
          <Segmented label={t("calls.format")} value={kind} options={[{ value: "csv", label: "CSV" }, { value: "jsonl", label: "JSON Lines" }]} onChange={setKind} />
          <div className="mt-3 flex items-center gap-1 rounded-control bg-sunk py-0.5 pr-1 pl-3">
            <code className="min-w-0 flex-1 truncate font-mono text-cap text-ink-2">{command}</code>
            <CopyButton text={command} label={t("common.copyCode")} />
          </div>
        </>
      ) : (
        <div>
          <div
            role="progressbar"
            aria-label={t("calls.exporting")}
            aria-valuenow={share === null ? undefined : Math.floor(share * 100)}
            aria-valuemin={0}
            aria-valuemax={100}
            className="h-2 overflow-hidden rounded-bar bg-sunk"
          >
            <div className={`h-full bg-ai ${share === null ? "w-full motion-safe:animate-pulse" : ""}`} style={share === null ? undefined : { width: `${share * 100}%` }} />
          </div>
          <p className="mt-1.5 text-cap text-ink-2">
            {progress.of === null ? t("calls.exportSoFar", { done: format.count(progress.entries) }) : t("calls.exportProgress", { done: format.count(progress.entries), of: format.count(progress.of) })}
          </p>
        </div>
      )}
      <DialogFoot>
        <Button onClick={() => (progress === null ? onClose() : stop.current?.abort())}>{t(progress === null ? "common.cancel" : "calls.exportStop")}</Button>
        <Button kind="primary" data-begin="" busy={progress === null ? false : t("calls.exporting")} onClick={() => void begin()}>
          {t("calls.export")}
        </Button>
      </DialogFoot>
    </Dialog>
  );
}
