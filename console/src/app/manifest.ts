/** Every screen of this build: its address, its place in the menu, its keys and its main act. A screen that is not built does not stand here. */
import type { IconName } from "@/components/icon";
import type { Right } from "@/lib/rights";

export type ScreenId = "overview" | "playground" | "calls" | "usage" | "keys" | "providers" | "models" | "people" | "projects" | "audit" | "system" | "settings";
export type Group = "first" | "watch" | "publish" | "local" | "govern" | "last";

export interface ScreenEntry {
  id: ScreenId;
  path: string;
  /** The route that the address belongs to. */
  to: "/" | "/playground" | "/calls/{-$callId}" | "/usage" | "/keys/{-$keyId}" | "/providers/{-$name}" | "/models" | "/people/{-$userId}" | "/projects/{-$project}" | "/audit/{-$row}" | "/system" | "/settings";
  icon: IconName;
  group: Group;
  /** The two keys that go there. */
  keys: string;
  /** What one mainly does there, in English, for tests and documents. */
  mainAct: string;
  /** What one must be allowed to do to see it; everybody otherwise. */
  needs?: Right;
  /** Whether it has a place in a telephone's bar. */
  bar?: boolean;
}

export const screens: readonly ScreenEntry[] = [
  { id: "overview", path: "/", to: "/", icon: "overview", group: "first", keys: "g o", mainAct: "mend the first thing that needs a person", bar: true },
  { id: "playground", path: "/playground", to: "/playground", icon: "playground", group: "first", keys: "g p", mainAct: "send a prompt", bar: true },
  { id: "calls", path: "/calls", to: "/calls/{-$callId}", icon: "calls", group: "watch", keys: "g c", mainAct: "explain a call", bar: true },
  { id: "usage", path: "/usage", to: "/usage", icon: "usage", group: "watch", keys: "g u", mainAct: "open the calls behind a number" },
  { id: "keys", path: "/keys", to: "/keys/{-$keyId}", icon: "keys", group: "publish", keys: "g k", mainAct: "create a key", needs: "keys.read", bar: true },
  { id: "providers", path: "/providers", to: "/providers/{-$name}", icon: "providers", group: "publish", keys: "g v", mainAct: "add a provider", needs: "catalog.write" },
  { id: "models", path: "/models", to: "/models", icon: "models", group: "local", keys: "g m", mainAct: "set a rate" },
  { id: "people", path: "/people", to: "/people/{-$userId}", icon: "people", group: "govern", keys: "g w", mainAct: "invite somebody", needs: "users" },
  { id: "projects", path: "/projects", to: "/projects/{-$project}", icon: "projects", group: "govern", keys: "g j", mainAct: "add a member" },
  { id: "audit", path: "/audit", to: "/audit/{-$row}", icon: "audit", group: "govern", keys: "g l", mainAct: "export the rows", needs: "audit" },
  { id: "system", path: "/system", to: "/system", icon: "system", group: "last", keys: "g s", mainAct: "run doctor", needs: "system" },
  { id: "settings", path: "/settings", to: "/settings", icon: "settings", group: "last", keys: "g ,", mainAct: "save one setting" },
];

/** Screens outside the frame. */
export const doors = [
  { id: "setup", path: "/setup", mainAct: "make the first call" },
  { id: "login", path: "/login", mainAct: "log in" },
  { id: "invite", path: "/invite", mainAct: "accept an invitation" },
  { id: "reset", path: "/reset", mainAct: "set a new password" },
] as const;

/** A list without anything opened; the router would keep what is open otherwise. */
export const nothingOpen = { callId: undefined, keyId: undefined, name: undefined, userId: undefined, project: undefined, row: undefined } as const;
