/** What the OpenAPI document does not describe yet: sessions, setup, the live feed and the body of the status. Change these here and nowhere else. */
import { request } from "@/lib/api/request";
import type { Call } from "@/lib/api/types";

export type Role = "owner" | "admin" | "user" | "guest";

export interface Person {
  id: string;
  email: string;
  name: string;
  role: Role;
  language: "en" | "ja" | null;
}

export interface Me {
  user: Person;
  csrf: string;
}

export interface Claim {
  token: string;
  email: string;
  name: string;
  password: string;
  language: "en" | "ja";
}

export interface EngineStatus {
  model: string;
  state: "asleep" | "starting" | "awake" | "refused";
  pid: number | null;
  falls: number;
  last_error: string | null;
}

/** `GET /api/status`. */
export interface Status {
  version: string;
  supervisor: number | null;
  node: number | null;
  workers: number[];
  ports: { gateway: number; console: number };
  revision: number;
  journal_lag_s: number;
  journal_set_aside: number;
  outage: unknown;
  engines: EngineStatus[];
  started_at: string | null;
  home: string;
  database: string;
}

/** One second of the whole house, from the workers' pulses. */
export interface Pulse {
  at: string;
  passed: number;
  refused: number;
  failed: number;
  gate_p50_us: number | null;
  gate_p99_us: number | null;
}

export type LiveMessage = { seq: number } & ({ type: "call.ended"; data: Call } | { type: "pulse"; data: Pulse });

export const auth = {
  setup: () => request<{ claimed: boolean }>("GET", "/api/setup", { quiet: true }),
  claim: (body: Claim) => request<Me>("POST", "/api/setup/claim", { body, quiet: true }),
  login: (body: { email: string; password: string; totp?: string }) => request<{ user: Person }>("POST", "/api/auth/login", { body, quiet: true }),
  logout: () => request<unknown>("POST", "/api/auth/logout", { quiet: true }),
  me: () => request<Me>("GET", "/api/auth/me", { quiet: true }),
};

export function liveAddress(after: number | null): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/api/live${after === null ? "" : `?after=${after}`}`;
}
