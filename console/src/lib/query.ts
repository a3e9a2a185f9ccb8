/** The one cache of what the server told. A failure that another try cannot mend is not tried again. */
import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "@/lib/api/request";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      refetchOnWindowFocus: true,
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});
