/** What the OpenAPI document does not describe, the live feed and the body of the status; and the ways in. */
import { request } from "@/lib/api/request";
import type { components } from "@/lib/api/schema.gen";
import type { Call } from "@/lib/api/types";

type Schemas = components["schemas"];

export type Role = "owner" | "admin" | "user" | "guest";
/** Whoever is in has one of the four roles. */
export type Person = Omit<Schemas["PersonTold"], "role"> & { role: Role };
export type Me = Omit<Schemas["Me"], "user"> & { user: Person };
export type Claim = Schemas["Claim"];

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
  /** Null for who sees some projects only. */
  refused: number | null;
  failed: number;
  gate_p50_us: number | null;
  gate_p99_us: number | null;
}

export type LiveMessage = { seq: number } & (
  | { type: "call.ended"; data: Call; /** Calls that this one is shown for, where more come than one can look at. */ sampled?: number }
  | { type: "pulse"; data: Pulse }
  | { type: "gap" }
);

export const auth = {
  setup: () => request<Schemas["SetupTold"]>("GET", "/api/setup", { quiet: true }),
  claim: (body: Claim) => request<Me>("POST", "/api/setup/claim", { body, quiet: true }),
  login: (body: { email: string; password: string; totp?: string }) => request<Me>("POST", "/api/auth/login", { body, quiet: true }),
  logout: () => request<unknown>("POST", "/api/auth/logout", { quiet: true }),
  ways: async () => (await request<Schemas["WayList"]>("GET", "/api/auth/oidc", { quiet: true })).issuers,
  register: (body: Schemas["Register"]) => request<Me>("POST", "/api/auth/register", { body, quiet: true }),
  invitation: (token: string) => request<Schemas["InvitationOpened"]>("POST", "/api/invitations/open", { body: { token }, quiet: true }),
  reset: (body: Schemas["UseReset"]) => request<Schemas["ResetDone"]>("POST", "/api/auth/reset", { body, quiet: true }),
  me: () => request<Me>("GET", "/api/auth/me", { quiet: true }),
};

export function liveAddress(after: number | null): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/api/live${after === null ? "" : `?after=${after}`}`;
}
