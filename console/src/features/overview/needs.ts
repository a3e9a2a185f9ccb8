/** What needs a person, decided by rules: what happened, what Sekisho did about it, and where it is mended. Worst first. */
import type { Status } from "@/lib/api/contract";
import type { Findings, Key, Provider } from "@/lib/api/types";

export type Need =
  | { kind: "provider"; level: "failed"; name: string }
  | { kind: "credential"; level: "failed"; name: string; last4: string }
  | { kind: "engine"; level: "failed"; model: string; error: string }
  | { kind: "outage"; level: "failed" }
  | { kind: "workers"; level: "failed" }
  | { kind: "lag"; level: "slow"; seconds: number }
  | { kind: "doctor"; level: "failed"; message: string }
  | { kind: "expiring"; level: "slow"; id: string; label: string; at: Date }
  | { kind: "unpriced"; level: "slow"; calls: number };

const SOON = 7 * 86_400_000;
const LAG = 5;

interface Known {
  status?: Status;
  providers?: Provider[];
  keys?: Key[];
  findings?: Findings;
  unpriced: number;
}

export function needsOf({ status, providers = [], keys = [], findings, unpriced }: Known, now: Date): Need[] {
  const found: Need[] = [];
  if (status !== undefined && status.workers.length === 0) found.push({ kind: "workers", level: "failed" });
  if (status?.outage != null) found.push({ kind: "outage", level: "failed" });
  for (const provider of providers) {
    if (!provider.enabled) continue;
    const refused = provider.credentials.find((credential) => !["ready", "unprobed", "active", "ok"].includes(credential.state));
    if (refused !== undefined) found.push({ kind: "credential", level: "failed", name: provider.name, last4: refused.last4 });
    else if (provider.state === "failing") found.push({ kind: "provider", level: "failed", name: provider.name });
  }
  for (const engine of status?.engines ?? []) if (engine.state === "refused") found.push({ kind: "engine", level: "failed", model: engine.model, error: engine.last_error ?? "" });
  for (const finding of findings?.findings ?? []) if (finding.level === "error") found.push({ kind: "doctor", level: "failed", message: finding.message });
  if (status !== undefined && status.journal_lag_s > LAG) found.push({ kind: "lag", level: "slow", seconds: status.journal_lag_s });
  for (const key of keys) {
    if (key.expires_at === null || key.revoked_at !== null) continue;
    const left = Date.parse(key.expires_at) - now.getTime();
    const life = Date.parse(key.expires_at) - Date.parse(key.created_at);
    // A key that was made for hours is meant to end; nobody has to be told.
    if (left > 0 && left < SOON && life > 2 * SOON) found.push({ kind: "expiring", level: "slow", id: key.id, label: key.label, at: new Date(key.expires_at) });
  }
  if (unpriced > 0) found.push({ kind: "unpriced", level: "slow", calls: unpriced });
  return found;
}
