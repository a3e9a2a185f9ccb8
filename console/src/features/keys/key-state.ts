/** In which state a key is. */
import type { Key } from "@/lib/api/types";

export type KeyState = "active" | "soon" | "disabled" | "expired" | "revoked";

const SOON = 10 * 86_400_000;

export function keyState(key: Key, now: Date): KeyState {
  if (key.revoked_at !== null) return "revoked";
  const left = key.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(key.expires_at) - now.getTime();
  if (left <= 0) return "expired";
  if (key.disabled_at !== null) return "disabled";
  return left < SOON ? "soon" : "active";
}
