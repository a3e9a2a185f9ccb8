/** What jsdom lacks and the console asks for. */
import { cleanup } from "@testing-library/react";
import { afterEach, beforeAll } from "vitest";

import { startLanguage } from "@/i18n";

window.matchMedia ??= (query: string) => ({ matches: query.includes("min-width"), media: query, onchange: null, addEventListener: () => undefined, removeEventListener: () => undefined, addListener: () => undefined, removeListener: () => undefined, dispatchEvent: () => false });
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

beforeAll(async () => {
  await startLanguage("en");
});
afterEach(cleanup);
