/** What somebody typed for a new API, kept in the browser until it is made. It holds no secret. */
import { type Fields, noDefaults } from "@/features/apis/defaults";
import { kept } from "@/lib/preferences";

const DAY = 86_400;
export const lives = { never: null, day: DAY, week: 7 * DAY, month: 30 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;
export type Life = keyof typeof lives;
export type WayIn = "new" | "existing" | "none";

export interface Draft {
  target: string;
  name: string;
  title: string;
  description: string;
  defaults: Fields;
  key: WayIn;
  label: string;
  project: string;
  life: Life;
  keyId: string;
}

export const emptyDraft: Draft = { target: "", name: "", title: "", description: "", defaults: noDefaults, key: "new", label: "", project: "", life: "never", keyId: "" };

export function draftedApi(): Draft {
  try {
    const held = JSON.parse(kept("draft.api") ?? "{}") as Partial<Draft>;
    return { ...emptyDraft, ...held, defaults: { ...noDefaults, ...held.defaults } };
  } catch {
    return emptyDraft;
  }
}
