/** Several acts that are one for who asked: carried out in order; where one fails, those before it are taken back, and what could not be taken back is named. */
import { ApiError } from "@/lib/api/request";

export interface Step<Name extends string = string> {
  name: Name;
  act: () => Promise<unknown>;
  /** Takes the act back. It must bear that the act never came to pass. */
  undo?: () => Promise<unknown>;
}

export type StepState = "waiting" | "running" | "done" | "failed" | "undoing" | "undone" | "left";

export type Outcome<Name extends string = string> = { ok: true } | { ok: false; failed: Name; error: unknown; undone: Name[]; left: Name[] };

/** Whether nobody knows if the server did it: no answer came, or a broken one. */
function uncertain(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status === 0 || error.status >= 500;
}

export async function carryOut<Name extends string>(steps: readonly Step<Name>[], tell: (name: Name, state: StepState) => void): Promise<Outcome<Name>> {
  const done: Step<Name>[] = [];
  for (const step of steps) {
    tell(step.name, "running");
    try {
      await step.act();
    } catch (error) {
      tell(step.name, "failed");
      const undone: Name[] = [];
      const left: Name[] = [];
      for (const before of uncertain(error) ? [step, ...done.reverse()] : done.reverse()) {
        if (before.undo === undefined) continue;
        if (before !== step) tell(before.name, "undoing");
        try {
          await before.undo();
          undone.push(before.name);
          if (before !== step) tell(before.name, "undone");
        } catch {
          left.push(before.name);
          if (before !== step) tell(before.name, "left");
        }
      }
      return { ok: false, failed: step.name, error, undone, left };
    }
    done.push(step);
    tell(step.name, "done");
  }
  return { ok: true };
}
