/** The plan of a new API as acts that can be taken back: the API itself, then the key that may call it. */
import type { WayIn } from "@/features/apis/draft";
import type { Step } from "@/features/apis/plan";
import { ApiError, request, type Tagged, tagged } from "@/lib/api/request";
import type { ApiWritten, CreateApi, Key, KeyChanged, KeyCreated } from "@/lib/api/types";

export type StepName = "api" | "key";

export interface Plan {
  body: CreateApi;
  wayIn: WayIn;
  label: string;
  project: string | null;
  expiresInS: number | null;
  keyId: string | null;
}

/** What came of it. */
export interface Made {
  warnings?: string[];
  key?: KeyCreated;
}

/** Gone is gone: taking back what never came to be is done. */
async function unlessMissing(act: Promise<unknown>): Promise<void> {
  try {
    await act;
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

export function stepsOf(plan: Plan, made: Made): Step<StepName>[] {
  const { name } = plan.body;
  const steps: Step<StepName>[] = [
    {
      name: "api",
      act: async () => {
        const told = await request<ApiWritten>("POST", "/api/apis", { idempotencyKey: crypto.randomUUID(), body: plan.body });
        made.warnings = told.warnings ?? [];
      },
      undo: () => unlessMissing(request("DELETE", `/api/apis/${name}`)),
    },
  ];
  if (plan.wayIn === "new")
    steps.push({
      name: "key",
      act: async () => {
        made.key = await request<KeyCreated>("POST", "/api/keys", { idempotencyKey: crypto.randomUUID(), body: { label: plan.label, project: plan.project, models: [name], expires_in_s: plan.expiresInS } });
      },
    });
  if (plan.wayIn === "existing" && plan.keyId !== null) {
    const path = `/api/keys/${plan.keyId}`;
    let before: Tagged<Key> | null = null;
    steps.push({
      name: "key",
      act: async () => {
        before = await tagged<Key>("GET", path);
        const scope = before.value.models;
        // A key without a scope may call it already; naming it there would take everything else away.
        if (scope === null || scope.includes(name)) return;
        await request<KeyChanged>("PATCH", path, { body: { models: [...scope, name] }, ifMatch: before.etag });
      },
      undo: async () => {
        if (before?.value.models != null) await request<KeyChanged>("PATCH", path, { body: { models: before.value.models } });
      },
    });
  }
  return steps;
}
