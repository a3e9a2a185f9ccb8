/** Who is here. One query; its answer also brings the word that writes must carry. */
import { queryOptions } from "@tanstack/react-query";

import { auth, type Me } from "@/lib/api/contract";
import { setCsrf } from "@/lib/api/request";
import { keep, kept } from "@/lib/preferences";
import { queryClient } from "@/lib/query";
import { createStore } from "@/lib/store";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me> => {
    const me = await auth.me();
    setCsrf(me.csrf ?? "");
    return me;
  },
  staleTime: 60_000,
  retry: false,
});

/** Somebody was let in: what the server told of them is what all screens begin with. */
export function cameIn(me: Me): void {
  keep("been-in", "yes");
  setCsrf(me.csrf ?? "");
  queryClient.setQueryData(meQuery.queryKey, me);
}

/** Whether anybody came in with this browser and did not leave: who never did need not be asked about. */
export function mayBeIn(): boolean {
  return kept("been-in") !== null;
}

/** Somebody goes to another house to be let in, and comes back with a session or with a reason. */
export function expectIn(): void {
  keep("been-in", "yes");
}

export function wentOut(): void {
  keep("been-in", null);
}

/** True once a session ended under somebody's hands: the login then opens over the page, and nothing typed is lost. */
export const sessionLost = createStore(false);
