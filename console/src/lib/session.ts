/** Who is here. One query; its answer also brings the word that writes must carry. */
import { queryOptions } from "@tanstack/react-query";

import { auth, type Me } from "@/lib/api/contract";
import { setCsrf } from "@/lib/api/request";
import { createStore } from "@/lib/store";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me> => {
    const me = await auth.me();
    setCsrf(me.csrf);
    return me;
  },
  staleTime: 60_000,
  retry: false,
});

/** True once a session ended under somebody's hands: the login then opens over the page, and nothing typed is lost. */
export const sessionLost = createStore(false);
