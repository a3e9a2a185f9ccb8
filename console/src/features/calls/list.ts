/**
 * The list of calls and what joins it while one looks: no call is lost and none stands twice, whatever becomes of the connection.
 * New rows join at the top and only while nobody reads; else they wait. Where calls were not told one by one (the feed missed some, or showed one
 * for many), the list is asked for once more from its top, as soon as that moves nothing under anybody's eyes.
 */
import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type CallFilters, matches, queryOf } from "@/features/calls/filters";
import { request } from "@/lib/api/request";
import type { Call, CallPage } from "@/lib/api/types";
import { live, unbroken } from "@/lib/live";
import { queryClient } from "@/lib/query";
import { useStore } from "@/lib/store";

const PAGE = 100;
/** Rows that came while one looks; beyond it the list begins anew. */
const MOST = 1000;
/** How long the first page waits for the feed, so that nothing falls between the two. */
const FEED_MS = 250;
/** Without a sampled row for so long, what was left out is fetched. */
const CALM_MS = 3000;

interface Fresh {
  shown: Call[];
  waiting: Call[];
  /** Calls that wait, with those that the waiting rows stand for. */
  count: number;
}

const nothing: Fresh = { shown: [], waiting: [], count: 0 };

export function useCallList(filters: CallFilters, asked: number, drawerOpen: boolean) {
  const query = useMemo(() => queryOf(filters, asked), [filters, asked]);
  // A list that nobody followed is not taken up again: what came meanwhile is not in it.
  const key = useMemo(() => ["calls", "list", query, asked], [query, asked]);
  /** When the first page was asked for, of `performance.now`. */
  const begun = useRef(Number.POSITIVE_INFINITY);
  const pages = useInfiniteQuery({
    queryKey: key,
    queryFn: async ({ pageParam, signal }) => {
      if (pageParam === "") {
        await live.whole(FEED_MS);
        begun.current = performance.now();
      }
      return request<CallPage>("GET", "/api/calls", { query: { ...query, limit: PAGE, cursor: pageParam }, signal });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });

  const [fresh, setFresh] = useState<Fresh>(nothing);
  const [sampled, setSampled] = useState(1);
  const held = useRef(nothing);
  const reading = useRef({ top: true, hover: false, drawer: drawerOpen });
  /** Whether calls are missing that only the API has; whether more are being left out right now; whether they are asked for. */
  const state = useRef({ lacking: false, sampling: false, renewing: false });
  const here = useRef(key);
  const put = useCallback((next: Fresh) => {
    held.current = next;
    setFresh(next);
  }, []);
  useEffect(() => {
    reading.current.drawer = drawerOpen;
  });
  useEffect(() => {
    here.current = key;
    put(nothing);
    setSampled(1);
    state.current = { lacking: false, sampling: false, renewing: false };
  }, [key, put]);

  /** The list from its top once more, in place of what stands there. */
  const renew = useCallback(async () => {
    if (state.current.renewing) return;
    Object.assign(state.current, { renewing: true, lacking: false });
    const started = performance.now();
    try {
      const page = await request<CallPage>("GET", "/api/calls", { query: { ...query, limit: PAGE }, byItself: true });
      await queryClient.cancelQueries({ queryKey: key });
      if (here.current !== key) return;
      begun.current = started;
      queryClient.setQueryData<InfiniteData<CallPage, string>>(key, { pages: [page], pageParams: [""] });
      const known = new Set(page.calls.map((call) => call.id));
      const oldest = page.next_cursor === null ? "" : (page.calls.at(-1)?.started_at ?? "");
      // What came during the question may not be in the answer; what began before its end comes with the pages behind it.
      put({ shown: [...held.current.waiting, ...held.current.shown].filter((call) => !known.has(call.id) && call.started_at > oldest), waiting: [], count: 0 });
    } catch {
      // The feed says that there is no connection. The next call that comes asks again.
      state.current.lacking = true;
    } finally {
      state.current.renewing = false;
    }
  }, [key, query, put]);

  const still = () => reading.current.top && !reading.current.hover && !reading.current.drawer;
  /** Something is missing: mend it now if nobody reads, else count what waits, and mend when they ask for it. */
  const mend = useCallback(async () => {
    if (still()) return renew();
    state.current.lacking = true;
    try {
      const page = await request<CallPage>("GET", "/api/calls", { query: { ...query, limit: PAGE }, byItself: true });
      if (here.current !== key) return;
      const listed = (queryClient.getQueryData<InfiniteData<CallPage, string>>(key)?.pages ?? []).flatMap((each) => each.calls);
      const { shown, waiting, count } = held.current;
      const known = new Set([...listed, ...shown, ...waiting].map((call) => call.id));
      const missed = page.calls.filter((call) => !known.has(call.id));
      if (missed.length > 0) put({ shown, waiting: [...missed, ...waiting].slice(0, MOST), count: count + missed.length });
    } catch {
      // As above.
    }
  }, [key, query, put, renew]);

  const since = useStore(unbroken);
  const loaded = pages.data !== undefined;
  useEffect(() => {
    if (loaded && since !== null && begun.current < since) {
      begun.current = since;
      void mend();
    }
  }, [since, loaded, mend]);

  const unfiltered = Object.values(query).every((value) => value === undefined);
  useEffect(() => {
    let calm = 0;
    const leave = live.subscribe((calls, standsFor) => {
      if (standsFor > 1) {
        Object.assign(state.current, { lacking: true, sampling: true });
        setSampled(standsFor);
        window.clearTimeout(calm);
        calm = window.setTimeout(() => {
          state.current.sampling = false;
          setSampled(1);
          if (still()) void renew();
        }, CALM_MS);
      }
      const wanted = calls.filter((call) => matches(call, filters)).sort((a, b) => (a.started_at < b.started_at ? 1 : -1));
      if (wanted.length === 0) return;
      const { shown, waiting, count } = held.current;
      if (still()) {
        put({ shown: [...wanted, ...shown], waiting, count });
        if (shown.length >= MOST || (state.current.lacking && !state.current.sampling)) void renew();
      } else {
        if (waiting.length >= MOST) state.current.lacking = true;
        put({ shown, waiting: [...wanted, ...waiting].slice(0, MOST), count: count + (unfiltered ? wanted.length * standsFor : wanted.length) });
      }
    });
    return () => {
      leave();
      window.clearTimeout(calm);
    };
  }, [filters, unfiltered, put, renew]);

  const show = useCallback(() => {
    const { shown, waiting } = held.current;
    put({ shown: [...waiting, ...shown], waiting: [], count: 0 });
    if (state.current.lacking) void renew();
  }, [put, renew]);
  const setTop = useCallback((top: boolean) => (reading.current.top = top), []);
  const setHover = useCallback((hover: boolean) => (reading.current.hover = hover), []);

  const calls = useMemo(() => {
    const seen = new Set<string>();
    return [...fresh.shown, ...(pages.data?.pages ?? []).flatMap((page) => page.calls)].filter((call) => !seen.has(call.id) && seen.add(call.id));
  }, [pages.data, fresh.shown]);
  return { query, pages, calls, waiting: fresh.count, sampled, show, setTop, setHover };
}
