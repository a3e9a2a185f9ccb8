/** In which state a provider is, from what the last look at it found and from the calls it answered. */
import type { State } from "@/components/icon";
import type { Provider, Row } from "@/lib/api/types";

export function providerState(provider: Provider, row?: Row): State {
  if (!provider.enabled) return "off";
  if (provider.state === "failing") return "failed";
  if (row !== undefined && row.calls >= 20 && row.failed / row.calls > 0.05) return "slow";
  return provider.state === "unprobed" && row === undefined ? "off" : "serving";
}
