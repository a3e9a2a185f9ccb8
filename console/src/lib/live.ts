/**
 * What passes right now. A WebSocket with sequence numbers where the server has one; else the tail of calls, asked for once a second.
 * A lost connection is told after three seconds, heals by itself and goes on from the last number.
 */
import { liveAddress, type LiveMessage, type Pulse } from "@/lib/api/contract";
import { ApiError, request } from "@/lib/api/request";
import type { Call, CallPage, RefusalPage } from "@/lib/api/types";
import { createStore } from "@/lib/store";

export const SPAN = 300;
/** A busy house has more calls in five minutes than one wants to read for a picture; older seconds then stay empty. */
const SEED_PAGES = 3;
const REMEMBERED = 200;

export interface Second {
  /** Whole seconds since the epoch. */
  at: number;
  passed: number;
  bad: number;
}

export interface Feed {
  state: "connecting" | "live" | "polling" | "offline";
  /** Since when nothing was heard; null while all is well. */
  lostAt: Date | null;
}

export interface Passing {
  seconds: Second[];
  gateP50: number | null;
  gateP99: number | null;
}

type Listener = (calls: Call[]) => void;

export const feed = createStore<Feed>({ state: "connecting", lostAt: null });
export const passing = createStore<Passing>({ seconds: [], gateP50: null, gateP99: null });

/** Our own time of a call in microseconds: looking, the key, the way, the limits. */
export function gateTime(call: Call): number {
  const stages = call.stages as Record<string, number>;
  return ["screen_us", "authenticate_us", "route_us", "admit_us"].reduce((sum, name) => sum + (stages[name] ?? 0), 0);
}

class Live {
  private listeners = new Set<Listener>();
  private socket: WebSocket | null = null;
  private last: number | null = null;
  private cursor: string | null = null;
  private timers = new Set<number>();
  private running = false;
  private pulsed = false;
  private counts = new Map<number, { passed: number; bad: number }>();
  private seen = new Set<string>();
  private gates: number[] = [];
  private retry = 500;
  private failures = 0;
  private refusedUntil = "";
  private lostTimer = 0;
  private latest: Call[] = [];

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.seed();
    this.connect();
    this.every(1000, () => this.tick());
  }

  stop(): void {
    this.running = false;
    this.socket?.close();
    this.socket = null;
    for (const timer of this.timers) window.clearInterval(timer);
    this.timers.clear();
    window.clearTimeout(this.lostTimer);
    this.last = null;
    this.cursor = null;
    this.pulsed = false;
    this.counts.clear();
    this.seen.clear();
    feed.set({ state: "connecting", lostAt: null });
  }

  private every(ms: number, act: () => void): void {
    this.timers.add(window.setInterval(act, ms));
  }

  /** What passed in the last five minutes, so that the strip is full from the start. */
  private async seed(): Promise<void> {
    const since = new Date(Date.now() - SPAN * 1000).toISOString();
    try {
      let cursor: string | null = "";
      for (let page = 0; page < SEED_PAGES && cursor !== null; page += 1) {
        const told: CallPage = await request<CallPage>("GET", "/api/calls", { query: { since, limit: 1000, cursor } });
        this.count(told.calls);
        this.tick();
        cursor = told.next_cursor;
      }
      this.refusals(await request<RefusalPage>("GET", "/api/refusals", { query: { limit: 200 } }));
    } catch {
      // What cannot be filled in stays empty; the feed itself says whether the server is there.
    }
    this.tick();
  }

  private refusals({ refusals }: RefusalPage): void {
    for (const refusal of refusals) {
      if (refusal.at <= this.refusedUntil) break;
      this.add(Math.floor(Date.parse(refusal.at) / 1000), 0, 1 + refusal.suppressed);
    }
    this.refusedUntil = refusals[0]?.at ?? this.refusedUntil;
  }

  private connect(): void {
    if (!this.running) return;
    const socket = new WebSocket(liveAddress(this.last));
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.retry = 500;
      this.failures = 0;
      this.heard("live");
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(String(event.data)) as LiveMessage;
      this.last = message.seq;
      if (message.type === "pulse") this.pulse(message.data);
      else if (message.type === "call.ended") this.arrived([message.data]);
      else void this.seed(); // Something was missed: the lists have it.
    };
    socket.onclose = () => {
      if (this.socket !== socket || !this.running) return;
      this.pulsed = false;
      if (!opened) this.failures += 1;
      if (!opened && this.failures >= 2) {
        this.poll();
        return;
      }
      this.lost();
      window.setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(this.retry * 2, 8000);
    };
  }

  /** The tail of calls once a second, until the server offers its feed again. */
  private poll(): void {
    let misses = 0;
    const ask = async () => {
      if (!this.running || this.socket?.readyState === WebSocket.OPEN) return;
      try {
        const page = await request<CallPage>("GET", "/api/calls", { query: { after: this.cursor ?? "now", limit: 500 } });
        this.cursor = page.next_cursor ?? this.cursor;
        this.heard("polling");
        this.arrived(page.calls);
        misses = 0;
        if (Date.now() % 5 === 0 || page.calls.length === 0) this.refusals(await request<RefusalPage>("GET", "/api/refusals", { query: { limit: 50 } }));
      } catch (error) {
        misses += 1;
        if (error instanceof ApiError && error.status === 401) return;
        this.lost();
      }
      window.setTimeout(() => void ask(), Math.min(1000 * 2 ** misses, 8000));
    };
    void ask();
  }

  private heard(state: "live" | "polling"): void {
    window.clearTimeout(this.lostTimer);
    this.lostTimer = 0;
    const now = feed.get();
    if (now.state !== state || now.lostAt !== null) feed.set({ state, lostAt: null });
  }

  private lost(): void {
    if (this.lostTimer !== 0 || feed.get().state === "offline") return;
    const at = new Date();
    this.lostTimer = window.setTimeout(() => feed.set({ state: "offline", lostAt: at }), 3000);
  }

  private add(at: number, passed: number, bad: number): void {
    const second = this.counts.get(at) ?? { passed: 0, bad: 0 };
    second.passed += passed;
    second.bad += bad;
    this.counts.set(at, second);
  }

  private count(calls: Call[]): Call[] {
    const fresh = calls.filter((call) => !this.seen.has(call.id));
    for (const call of fresh) {
      this.seen.add(call.id);
      this.gates.push(gateTime(call));
      if (!this.pulsed) {
        const ended = Math.floor((Date.parse(call.started_at) + call.duration_ms) / 1000);
        this.add(ended, call.status === "failed" ? 0 : 1, call.status === "failed" ? 1 : 0);
      }
    }
    if (this.gates.length > 2000) this.gates.splice(0, this.gates.length - 2000);
    if (this.seen.size > 20_000) this.seen = new Set([...this.seen].slice(-5000));
    return fresh;
  }

  /** A call that came a moment ago, by its request; undefined where it did not pass by. */
  recent(requestId: string): Call | undefined {
    return this.latest.find((call) => call.request_id === requestId);
  }

  private arrived(calls: Call[]): void {
    this.latest = [...calls, ...this.latest].slice(0, REMEMBERED);
    const fresh = this.count(calls);
    if (fresh.length > 0) for (const listener of this.listeners) listener(fresh);
  }

  private pulse(pulse: Pulse): void {
    this.pulsed = true;
    const at = Math.floor(Date.parse(pulse.at) / 1000);
    this.counts.set(at, { passed: pulse.passed, bad: (pulse.refused ?? 0) + pulse.failed });
    passing.set({ ...passing.get(), gateP50: pulse.gate_p50_us, gateP99: pulse.gate_p99_us });
  }

  /** Once a second: the strip moves by one column. A second is shown when it is over. */
  private tick(): void {
    const now = Math.floor(Date.now() / 1000) - 1;
    const seconds: Second[] = [];
    for (let at = now - SPAN + 1; at <= now; at += 1) seconds.push({ at, ...(this.counts.get(at) ?? { passed: 0, bad: 0 }) });
    for (const at of this.counts.keys()) if (at < now - SPAN - 5) this.counts.delete(at);
    const held = passing.get();
    if (this.pulsed) {
      passing.set({ ...held, seconds });
      return;
    }
    const sorted = [...this.gates].sort((a, b) => a - b);
    passing.set({ seconds, gateP50: sorted[Math.floor(sorted.length * 0.5)] ?? null, gateP99: sorted[Math.floor(sorted.length * 0.99)] ?? null });
  }
}

export const live = new Live();
