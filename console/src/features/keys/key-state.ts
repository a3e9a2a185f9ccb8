/** In which state a key is. */
import type { Key } from "@/lib/api/types";

export type KeyState = "active" | "soon" | "expired" | "revoked";

const SOON = 10 * 86_400_000;

export function keyState(key: Key, now: Date): KeyState {
  if (key.revoked_at !== null) return "revoked";
  if (key.expires_at === null) return "active";
  const left = Date.parse(key.expires_at) - now.getTime();
  return left <= 0 ? "expired" : left < SOON ? "soon" : "active";
}
