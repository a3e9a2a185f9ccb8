/** Everything global in one nest. */
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";

import { router } from "@/app/router";
import { Toasts } from "@/components/toast";
import { startPreferences } from "@/lib/preferences";
import { queryClient } from "@/lib/query";

startPreferences();

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
      <Toasts />
    </QueryClientProvider>
  );
}
