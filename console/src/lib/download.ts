/** Files that the server writes while we read them: with what came so far, and a way out. The page holds a few megabytes at most; the rest is the browser's. */
import { send } from "@/lib/api/request";

export interface Progress {
  /** Entries that came. */
  entries: number;
  /** Entries that there are; null where the server does not know. */
  of: number | null;
}

/** The stream ended before its end. */
export class CutShortError extends Error {}

export type FileFormat = "csv" | "jsonl";

const FOLD = 4_000_000;
const TELL_MS = 80;
const QUOTE = 34;
const NEWLINE = 10;

/** Counts entries in pieces of a file: a line each, and in CSV a line break between quotes ends none. */
export function entryCounter(format: FileFormat): (piece: Uint8Array) => number {
  let lines = 0;
  let quoted = false;
  return (piece) => {
    for (const byte of piece) {
      if (byte === QUOTE && format === "csv") quoted = !quoted;
      else if (byte === NEWLINE && !quoted) lines += 1;
    }
    // The first line of CSV is its head.
    return format === "csv" ? Math.max(0, lines - 1) : lines;
  };
}

interface Wanted {
  query?: Record<string, string | undefined>;
  format: FileFormat;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** The whole file. Raises ApiError, AbortError where it was called off, and CutShortError. */
export async function fetchFile(path: string, { query, format, signal, onProgress }: Wanted): Promise<Blob> {
  const response = await send("GET", path, { query, signal });
  const told = response.headers.get("x-total-count");
  const of = told === null ? null : Number(told);
  const type = response.headers.get("content-type") ?? "application/octet-stream";
  const reader = response.body?.getReader();
  if (reader === undefined) return await response.blob();
  const count = entryCounter(format);
  const folded: Blob[] = [];
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let last = 0;
  let entries = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new CutShortError(String(entries));
    });
    if (done) break;
    entries = count(value);
    pieces.push(value);
    held += value.byteLength;
    if (held >= FOLD) {
      folded.push(new Blob(pieces));
      pieces = [];
      held = 0;
    }
    if (performance.now() - last >= TELL_MS) {
      last = performance.now();
      onProgress?.({ entries, of });
    }
  }
  onProgress?.({ entries, of });
  return new Blob([...folded, ...pieces], { type });
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The day and time in the name of a file. */
export function stamp(at = new Date()): string {
  return at.toISOString().slice(0, 16).replace(":", "");
}
