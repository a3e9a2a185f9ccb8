/**
 * What passes right now: a WebSocket with sequence numbers, and where none opens the tail of calls, asked for once a second until one does.
 * A lost connection is told after three seconds, heals by itself and goes on from the last number; where something was missed all the same,
 * `unbroken` says from when on nothing was, so that a list asks once more.
 */
import { liveAddress, type LiveMessage, type Pulse } from "@/lib/api/contract";
import { ApiError, request } from "@/lib/api/request";
import type { Call, CallPage, RefusalPage } from "@/lib/api/types";
import { createStore } from "@/lib/store";
import { SPAN, Strip } from "@/lib/strip";

/** A busy house has more calls in five minutes than one wants to read for a picture; older seconds then stay empty. */
const SEED_PAGES = 3;
const REMEMBERED = 200;
/** Of the tail, at a time; where that many came, one does not keep up and begins anew. */
const TAIL = 500;
/** Sockets that did not open in a row before the tail is asked for instead. */
const FAILURES = 2;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** A pulse comes each second: a socket that says nothing for so long, or does not open, is dead, whatever the network thinks of it. */
const SILENCE_MS = 10_000;
const TELL_AFTER_MS = 3000;
/** With which a socket is closed whose login ended, or may see other things now. */
const ENDED = 4401;

export interface Feed {
  state: "connecting" | "live" | "polling" | "offline";
  /** Since when nothing was heard; null while all is well. */
  lostAt: Date | null;
}

/** `sampled` is how many calls each of these is shown for. */
type Listener = (calls: Call[], sampled: number) => void;

export const feed = createStore<Feed>({ state: "connecting", lostAt: null });
/** Since when (of `performance.now`) every call was told, or another stood for it; null before anything was heard. */
export const unbroken = createStore<number | null>(null);

class Live {
  private listeners = new Set<Listener>();
  private strip = new Strip();
  private socket: WebSocket | null = null;
  private last: number | null = null;
  private cursor: string | null = null;
  private timers = new Set<number>();
  private running = false;
  private asking = false;
  private seen = new Set<string>();
  private retry = FIRST_RETRY_MS;
  private failures = 0;
  private heardAt = 0;
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
    window.addEventListener("online", this.connect);
    this.connect();
    this.watch();
  }

  stop(): void {
    this.running = false;
    window.removeEventListener("online", this.connect);
    this.leave();
    for (const timer of this.timers) window.clearTimeout(timer);
    this.timers.clear();
    this.lostTimer = 0;
    this.last = null;
    this.cursor = null;
    this.asking = false;
    this.retry = FIRST_RETRY_MS;
    this.failures = 0;
    this.refusedUntil = "";
    this.seen.clear();
    this.latest = [];
    this.strip = new Strip();
    feed.set({ state: "connecting", lostAt: null });
    unbroken.set(null);
  }

  /** Somebody logged in where a session had ended: perhaps somebody else, so nothing is carried over. */
  again(): void {
    this.stop();
    this.start();
  }

  /** Resolves once nothing is missed any more, or after so many milliseconds. */
  whole(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (unbroken.get() !== null || !this.running) return resolve();
      const leave = unbroken.subscribe(() => done());
      const timer = window.setTimeout(() => done(), ms);
      const done = () => (window.clearTimeout(timer), leave(), resolve());
    });
  }

  /** A call that came a moment ago, by its request; undefined where it did not pass by. */
  recent(requestId: string): Call | undefined {
    return this.latest.find((call) => call.request_id === requestId);
  }

  private later(ms: number, act: () => void): number {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
    return timer;
  }

  /** Each second: a socket that fell silent is given up; without a pulse, the strip moves by the browser's own clock. */
  private watch(): void {
    const socket = this.socket;
    if (socket !== null && Date.now() - this.heardAt > SILENCE_MS) {
      const opened = socket.readyState === WebSocket.OPEN;
      this.leave();
      this.dropped(opened);
    }
    if (feed.get().state === "polling") this.strip.show(false);
    this.later(1000, () => this.watch());
  }

  private leave(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // The socket.

  private connect = (): void => {
    if (!this.running || this.socket !== null) return;
    const socket = new WebSocket(liveAddress(this.last));
    const anew = this.last === null;
    let opened = false;
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onopen = () => {
      opened = true;
      this.heardAt = Date.now();
      this.retry = FIRST_RETRY_MS;
      this.failures = 0;
    };
    let first = true;
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.heardAt = Date.now();
      const message = JSON.parse(String(event.data)) as LiveMessage;
      if (first) this.heard("live");
      // Behind a gap come the pulses of the last minutes; what they fill need not be asked for.
      if (message.type === "gap" || (first && anew)) {
        this.broke();
        this.later(400, () => void this.seed());
      }
      first = false;
      this.last = Math.max(this.last ?? 0, message.seq);
      if (message.type === "pulse") this.pulse(message.data);
      else if (message.type === "call.ended") this.arrived([message.data], message.sampled ?? 1);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (event.code === ENDED) void this.askWhoIsHere();
      else this.dropped(opened);
    };
  };

  /** A socket is gone; another one is tried, and the tail is asked for where none opens. */
  private dropped(opened: boolean): void {
    if (!opened) this.failures += 1;
    if (this.failures >= FAILURES) void this.tail();
    this.lost();
    this.later(this.retry, this.connect);
    this.retry = Math.min(this.retry * 2, LAST_RETRY_MS);
  }

  /** Who is out is told by the refusal itself, over the page; `again` then goes on. Who only may see other things goes on at once. */
  private async askWhoIsHere(): Promise<void> {
    try {
      await request("GET", "/api/auth/me", { byItself: true });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
    }
    this.connect();
  }

  private pulse(pulse: Pulse): void {
    this.strip.pulse(pulse);
    if (!this.strip.waiting) {
      this.strip.waiting = true;
      this.later(30, () => this.strip.show(true));
    }
  }

  // What there is without one.

  /** The tail of calls once a second, until a socket is open. */
  private async tail(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    let misses = 0;
    const ask = async (): Promise<void> => {
      if (!this.running || this.told()) return;
      try {
        const begins = this.cursor === null;
        const page = await request<CallPage>("GET", "/api/calls", { query: { after: this.cursor ?? "now", limit: TAIL }, byItself: true });
        if (this.told()) return;
        this.heard("polling");
        if (begins) {
          this.broke();
          void this.seed();
        }
        this.arrived(page.calls, 1);
        this.cursor = page.calls.length < TAIL ? page.next_cursor : null;
        misses = 0;
        this.refusals(await request<RefusalPage>("GET", "/api/refusals", { query: { limit: 50 }, byItself: true }));
      } catch (error) {
        misses += 1;
        // The login over the page begins anew.
        if (error instanceof ApiError && error.status === 401) return;
        if (!this.told()) this.lost();
      }
      this.later(Math.min(1000 * 2 ** misses, LAST_RETRY_MS), () => void ask());
    };
    await ask();
  }

  /** Whether a socket is open, and the tail needed no more. */
  private told(): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return !this.asking;
    this.asking = false;
    this.cursor = null;
    return true;
  }

  /**
   * What passed in those of the last five minutes that no pulse told of, so that the strip is full from the start; and the times at the gate of
   * the newest calls, which the node takes only while somebody looks.
   */
  private async seed(): Promise<void> {
    const strip = this.strip;
    const first = strip.pulsedFrom();
    const since = Math.floor(Date.now() / 1000) - SPAN;
    const covered = first !== null && first <= since + 2;
    if (covered && strip.hasTimes()) return;
    const until = covered || first === null || !strip.hasTimes() ? undefined : new Date(first * 1000).toISOString();
    try {
      let cursor: string | null = "";
      for (let page = 0; page < (covered ? 1 : SEED_PAGES) && cursor !== null; page += 1) {
        const query = { since: new Date(since * 1000).toISOString(), until, limit: covered ? 200 : 1000, cursor };
        const told: CallPage = await request<CallPage>("GET", "/api/calls", { query, byItself: true });
        strip.passed(told.calls.filter((call) => !this.seen.has(call.id)));
        cursor = told.next_cursor;
      }
      if (!covered) this.refusals(await request<RefusalPage>("GET", "/api/refusals", { query: { limit: 200 }, byItself: true }));
    } catch {
      // What cannot be filled in stays empty; the feed itself says whether the server is there.
    }
    strip.show(feed.get().state === "live");
  }

  private refusals({ refusals }: RefusalPage): void {
    for (const refusal of refusals) {
      if (refusal.at <= this.refusedUntil) break;
      this.strip.add(Math.floor(Date.parse(refusal.at) / 1000), 0, 1 + refusal.suppressed);
    }
    this.refusedUntil = refusals[0]?.at ?? this.refusedUntil;
  }

  // What is told.

  private heard(state: "live" | "polling"): void {
    window.clearTimeout(this.lostTimer);
    this.timers.delete(this.lostTimer);
    this.lostTimer = 0;
    const now = feed.get();
    if (now.state !== state || now.lostAt !== null) feed.set({ state, lostAt: null });
  }

  private lost(): void {
    if (this.lostTimer !== 0 || feed.get().state === "offline") return;
    const at = new Date();
    this.lostTimer = this.later(TELL_AFTER_MS, () => {
      this.lostTimer = 0;
      feed.set({ state: "offline", lostAt: at });
    });
  }

  private broke(): void {
    unbroken.set(performance.now());
  }

  private arrived(calls: Call[], sampled: number): void {
    const fresh = calls.filter((call) => !this.seen.has(call.id));
    if (fresh.length === 0) return;
    for (const call of fresh) this.seen.add(call.id);
    if (this.seen.size > 20_000) this.seen = new Set([...this.seen].slice(-5000));
    this.latest = [...fresh, ...this.latest].slice(0, REMEMBERED);
    // With pulses, each second's own figure comes a moment later, and knows of all calls.
    if (feed.get().state === "polling") this.strip.passed(fresh);
    for (const listener of this.listeners) listener(fresh, sampled);
  }
}

export const live = new Live();
