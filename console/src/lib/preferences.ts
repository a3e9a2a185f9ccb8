/** What a person chose for this browser: theme, density, language, single-letter keys. Never a secret. */
import { createStore } from "@/lib/store";

export type Theme = "system" | "light" | "dark";
export type Density = "normal" | "compact";

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`sekisho.${name}`);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`sekisho.${name}`);
    else localStorage.setItem(`sekisho.${name}`, value);
  } catch {
    // A browser without storage forgets; nothing else depends on it.
  }
}

const darkWished = () => window.matchMedia("(prefers-color-scheme: dark)");

export const theme = createStore<Theme>((kept("theme") as Theme | null) ?? "system");
export const density = createStore<Density>((kept("density") as Density | null) ?? "normal");
export const letterKeys = createStore<boolean>(kept("letter-keys") !== "off");
/** Counts changes of what is drawn, so that canvases know when to read the tokens again. */
export const paints = createStore(0);

function paint(): void {
  const dark = theme.get() === "dark" || (theme.get() === "system" && darkWished().matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  document.documentElement.dataset["density"] = density.get();
  paints.set(paints.get() + 1);
}

export function startPreferences(): void {
  theme.subscribe(() => (keep("theme", theme.get()), paint()));
  density.subscribe(() => (keep("density", density.get()), paint()));
  letterKeys.subscribe(() => keep("letter-keys", letterKeys.get() ? null : "off"));
  darkWished().addEventListener("change", paint);
  paint();
}

/** The present value of a token, for canvases. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
