/** Every screen of this build: its address, its place in the menu, its keys and its main act. A screen that is not built does not stand here. */
import type { IconName } from "@/components/icon";

export type ScreenId = "overview" | "playground" | "calls" | "usage" | "keys" | "providers" | "models" | "system" | "settings";
export type Group = "first" | "watch" | "publish" | "local" | "last";

export interface ScreenEntry {
  id: ScreenId;
  path: string;
  /** The route that the address belongs to. */
  to: "/" | "/playground" | "/calls/{-$callId}" | "/usage" | "/keys/{-$keyId}" | "/providers/{-$name}" | "/models" | "/system" | "/settings";
  icon: IconName;
  group: Group;
  /** The two keys that go there. */
  keys: string;
  /** What one mainly does there, in English, for tests and documents. */
  mainAct: string;
  /** Whether it has a place in a telephone's bar. */
  bar?: boolean;
}

export const screens: readonly ScreenEntry[] = [
  { id: "overview", path: "/", to: "/", icon: "overview", group: "first", keys: "g o", mainAct: "mend the first thing that needs a person", bar: true },
  { id: "playground", path: "/playground", to: "/playground", icon: "playground", group: "first", keys: "g p", mainAct: "send a prompt", bar: true },
  { id: "calls", path: "/calls", to: "/calls/{-$callId}", icon: "calls", group: "watch", keys: "g c", mainAct: "explain a call", bar: true },
  { id: "usage", path: "/usage", to: "/usage", icon: "usage", group: "watch", keys: "g u", mainAct: "open the calls behind a number" },
  { id: "keys", path: "/keys", to: "/keys/{-$keyId}", icon: "keys", group: "publish", keys: "g k", mainAct: "create a key", bar: true },
  { id: "providers", path: "/providers", to: "/providers/{-$name}", icon: "providers", group: "publish", keys: "g v", mainAct: "add a provider" },
  { id: "models", path: "/models", to: "/models", icon: "models", group: "local", keys: "g m", mainAct: "set a rate" },
  { id: "system", path: "/system", to: "/system", icon: "system", group: "last", keys: "g s", mainAct: "run doctor" },
  { id: "settings", path: "/settings", to: "/settings", icon: "settings", group: "last", keys: "g ,", mainAct: "save one setting" },
];

/** Screens outside the frame. */
export const doors = [
  { id: "setup", path: "/setup", mainAct: "make the first call" },
  { id: "login", path: "/login", mainAct: "log in" },
] as const;

/** A list without anything opened; the router would keep what is open otherwise. */
export const nothingOpen = { callId: undefined, keyId: undefined, name: undefined } as const;
