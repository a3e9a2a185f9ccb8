/** Every screen of this build: its address, its place in the menu, its keys and its main act. A screen that is not built does not stand here. */
import type { IconName } from "@/components/icon";
import type { Right } from "@/lib/rights";

export type ScreenId = "overview" | "playground" | "calls" | "usage" | "apis" | "keys" | "providers" | "models" | "people" | "projects" | "audit" | "system" | "settings";
export type Group = "first" | "watch" | "publish" | "local" | "govern" | "last";

export interface ScreenEntry {
  id: ScreenId;
  path: string;
  /** The route that the address belongs to. */
  to: "/" | "/playground" | "/calls/{-$callId}" | "/usage" | "/apis/{-$name}" | "/keys/{-$keyId}" | "/providers/{-$name}" | "/models" | "/people/{-$userId}" | "/projects/{-$project}" | "/audit/{-$row}" | "/system" | "/settings";
  icon: IconName;
  group: Group;
  /** The two keys that go there. */
  keys: string;
  /** What one mainly does there, in English, for tests and documents. */
  mainAct: string;
  /** What else one changes or takes away there. */
  acts?: readonly string[];
  /** What one must be allowed to do to see it; everybody otherwise. */
  needs?: Right;
  /** Whether it has a place in a telephone's bar. */
  bar?: boolean;
}

export const screens: readonly ScreenEntry[] = [
  { id: "overview", path: "/", to: "/", icon: "overview", group: "first", keys: "g o", mainAct: "mend the first thing that needs a person", bar: true },
  { id: "playground", path: "/playground", to: "/playground", icon: "playground", group: "first", keys: "g p", mainAct: "send a prompt", bar: true },
  { id: "calls", path: "/calls", to: "/calls/{-$callId}", icon: "calls", group: "watch", keys: "g c", mainAct: "explain a call", acts: ["find a call by its id", "filter the list", "export what is filtered"], bar: true },
  { id: "usage", path: "/usage", to: "/usage", icon: "usage", group: "watch", keys: "g u", mainAct: "open the calls behind a number" },
  { id: "apis", path: "/apis", to: "/apis/{-$name}", icon: "apis", group: "publish", keys: "g a", mainAct: "create an API", acts: ["start and stop an API", "test an API", "edit an API", "delete an API"] },
  { id: "keys", path: "/keys", to: "/keys/{-$keyId}", icon: "keys", group: "publish", keys: "g k", mainAct: "create a key", acts: ["change a key", "switch a key off and on", "rotate a key", "revoke a key"], needs: "keys.read", bar: true },
  { id: "providers", path: "/providers", to: "/providers/{-$name}", icon: "providers", group: "publish", keys: "g v", mainAct: "add a provider", needs: "catalog.write" },
  { id: "models", path: "/models", to: "/models", icon: "models", group: "local", keys: "g m", mainAct: "set a rate" },
  { id: "people", path: "/people", to: "/people/{-$userId}", icon: "people", group: "govern", keys: "g w", mainAct: "invite somebody", acts: ["change a role", "send a reset link", "deactivate somebody", "export somebody's data", "erase somebody", "add a company login", "change a company login", "remove a company login"], needs: "users" },
  { id: "projects", path: "/projects", to: "/projects/{-$project}", icon: "projects", group: "govern", keys: "g j", mainAct: "add a member" },
  { id: "audit", path: "/audit", to: "/audit/{-$row}", icon: "audit", group: "govern", keys: "g l", mainAct: "export the rows", needs: "audit" },
  { id: "system", path: "/system", to: "/system", icon: "system", group: "last", keys: "g s", mainAct: "run doctor", needs: "system" },
  { id: "settings", path: "/settings", to: "/settings", icon: "settings", group: "last", keys: "g ,", mainAct: "save one setting", acts: ["export one's own data", "erase one's own account"] },
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
