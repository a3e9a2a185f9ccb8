/** What stands in the form that changes a key, and how it goes to the API. */
import { limitOf, type Limits, scopeOf } from "@/features/keys/fields";
import type { ChangeKey, Key } from "@/lib/api/types";

export interface KeyDraft extends Limits {
  label: string;
  models: string;
  /** When it ends, as the API writes it; empty for never. */
  expires: string;
}

export type KeyField = keyof KeyDraft;

export function draftOf(key: Key): KeyDraft {
  const text = (limit: number | null) => (limit === null ? "" : String(limit));
  return { label: key.label, models: key.models?.join(" ") ?? "", rpm: text(key.rpm), tpm: text(key.tpm), concurrency: text(key.concurrency), expires: key.expires_at ?? "" };
}

/** Spaces and commas that say nothing are no change. */
export function plain(draft: KeyDraft): KeyDraft {
  const number = (text: string) => text.replace(/[,\s]/g, "");
  return { label: draft.label.trim(), models: scopeOf(draft.models)?.join(" ") ?? "", rpm: number(draft.rpm), tpm: number(draft.tpm), concurrency: number(draft.concurrency), expires: draft.expires };
}

/** Only the given fields. The limits have to be good. */
export function bodyOf(draft: Partial<KeyDraft>): Partial<ChangeKey> {
  const limit = (name: keyof Limits) => (draft[name] === undefined ? {} : { [name]: limitOf(draft[name]) as number | null });
  return {
    ...(draft.label === undefined ? {} : { label: draft.label }),
    ...(draft.models === undefined ? {} : { models: scopeOf(draft.models) }),
    ...limit("rpm"),
    ...limit("tpm"),
    ...limit("concurrency"),
    ...(draft.expires === undefined ? {} : { expires_at: draft.expires === "" ? null : draft.expires }),
  };
}

export function fieldOf(param: string | null): KeyField | null {
  const first = param?.split(".")[0];
  if (first === "expires_at") return "expires";
  return first === "label" || first === "models" || first === "rpm" || first === "tpm" || first === "concurrency" ? first : null;
}

/** A time as a field of the browser writes it, in its own zone. */
export function localTime(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
