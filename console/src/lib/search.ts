/** Addresses that people can read: `/calls?last=1h&status=failed&model=ollama/qwen3:8b`. Every value is text. */
export type Search = Record<string, string>;

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

const readable = (text: string) => encodeURIComponent(text).replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2A/g, "*").replace(/%40/g, "@");

export function stringifySearch(search: Record<string, unknown>): string {
  const parts = Object.entries(search)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => `${readable(name)}=${readable(String(value))}`);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/** Keeps the named parameters that are there; the others are dropped from the address. */
export function only<const T extends readonly string[]>(...names: T) {
  return (search: Record<string, unknown>): { [K in T[number]]?: string } => {
    const found: Record<string, string> = {};
    for (const name of names) if (typeof search[name] === "string" && search[name] !== "") found[name] = search[name];
    return found as { [K in T[number]]?: string };
  };
}
