/** In which state an API is, what it may be called, and who may call it. */
import type { State } from "@/components/icon";
import type { Api, Key } from "@/lib/api/types";

export const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export function apiMark(api: Api): State {
  if (!api.enabled) return "off";
  return api.state === "broken" ? "failed" : "serving";
}

/** Whether a name means a model already, whole or without its provider: an API can have no such name. */
export function isModelName(name: string, ids: readonly string[]): boolean {
  return ids.some((id) => id === name || id.slice(id.indexOf("/") + 1) === name);
}

export interface Callers {
  /** Keys whose scope names it. */
  named: Key[];
  /** Keys without a scope: they may call everything. */
  unbounded: Key[];
  /** Of those that name it: they may call nothing else. */
  only: Key[];
}

/** Which of the keys may call an API; they are those that live. */
export function callersOf(name: string, keys: readonly Key[]): Callers {
  const named = keys.filter((key) => key.models?.includes(name) === true);
  return { named, unbounded: keys.filter((key) => key.models === null), only: named.filter((key) => key.models?.length === 1) };
}
