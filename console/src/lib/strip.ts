/** The last five minutes, second by second: from the pulses of the house where they are told, else counted from the calls themselves. */
import type { Pulse } from "@/lib/api/contract";
import type { Call } from "@/lib/api/types";
import { createStore } from "@/lib/store";

export const SPAN = 300;

export interface Second {
  /** Whole seconds since the epoch. */
  at: number;
  passed: number;
  bad: number;
}

export interface Passing {
  seconds: Second[];
  gateP50: number | null;
  gateP99: number | null;
}

export const passing = createStore<Passing>({ seconds: [], gateP50: null, gateP99: null });

/** Our own time of a call in microseconds: looking, the key, the way, the limits. */
export function gateTime(call: Call): number {
  const stages = call.stages as Record<string, number>;
  return ["screen_us", "authenticate_us", "route_us", "admit_us"].reduce((sum, name) => sum + (stages[name] ?? 0), 0);
}

export class Strip {
  private counts = new Map<number, { passed: number; bad: number; pulsed: boolean }>();
  private gates: number[] = [];
  private newest: number | null = null;
  private gate: { p50: number; p99: number } | null = null;
  /** Whether somebody is to call `show` already. */
  waiting = false;

  /** A second of which everything is known. */
  pulse(pulse: Pulse): void {
    const at = Math.floor(Date.parse(pulse.at) / 1000);
    this.counts.set(at, { passed: pulse.passed, bad: (pulse.refused ?? 0) + pulse.failed, pulsed: true });
    this.newest = Math.max(this.newest ?? 0, at);
    // A second without calls has no times of its own; the last ones known still hold.
    if (pulse.gate_p50_us !== null) this.gate = { p50: pulse.gate_p50_us, p99: pulse.gate_p99_us ?? pulse.gate_p50_us };
  }

  /** The first second of which a pulse told; null where none did. */
  pulsedFrom(): number | null {
    let first: number | null = null;
    for (const [at, { pulsed }] of this.counts) if (pulsed && (first === null || at < first)) first = at;
    return first;
  }

  /** Whether the time at the gate is known, or nothing passed that could have one. */
  hasTimes(): boolean {
    return this.gate !== null || this.gates.length > 0 || ![...this.counts.values()].some(({ passed }) => passed > 0);
  }

  /** Counts what no pulse tells of. */
  add(at: number, passed: number, bad: number): void {
    const second = this.counts.get(at) ?? { passed: 0, bad: 0, pulsed: false };
    if (second.pulsed) return;
    second.passed += passed;
    second.bad += bad;
    this.counts.set(at, second);
  }

  /** Counts calls in the seconds in which they ended. */
  passed(calls: Call[]): void {
    for (const call of calls) {
      this.gates.push(gateTime(call));
      const ended = Math.floor((Date.parse(call.started_at) + call.duration_ms) / 1000);
      this.add(ended, call.status === "failed" ? 0 : 1, call.status === "failed" ? 1 : 0);
    }
    if (this.gates.length > 2000) this.gates.splice(0, this.gates.length - 2000);
  }

  /** Puts it before people's eyes, up to the newest second that is over: the newest pulse's where they come, else by the browser's clock. */
  show(pulsed: boolean): void {
    this.waiting = false;
    const now = pulsed && this.newest !== null ? this.newest : Math.floor(Date.now() / 1000) - 1;
    const seconds: Second[] = [];
    for (let at = now - SPAN + 1; at <= now; at += 1) {
      const { passed, bad } = this.counts.get(at) ?? { passed: 0, bad: 0 };
      seconds.push({ at, passed, bad });
    }
    for (const at of this.counts.keys()) if (at < now - SPAN - 5) this.counts.delete(at);
    const gate = this.gate ?? this.counted();
    passing.set({ seconds, gateP50: gate?.p50 ?? null, gateP99: gate?.p99 ?? null });
  }

  private counted(): { p50: number; p99: number } | null {
    const sorted = [...this.gates].sort((a, b) => a - b);
    const p50 = sorted[Math.floor(sorted.length * 0.5)];
    return p50 === undefined ? null : { p50, p99: sorted[Math.floor(sorted.length * 0.99)] ?? p50 };
  }
}
