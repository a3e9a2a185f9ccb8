/** Published APIs: what they fill in, who may call them, and a plan that leaves nothing behind where it fails. */
import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { axe } from "vitest-axe";

import { placeOf } from "@/features/apis/api-form";
import { apiMark, callersOf, isModelName, NAME } from "@/features/apis/api-state";
import { CreateApi } from "@/features/apis/create-api";
import { defaultsOf, faultOf, fieldsOf, noDefaults, stopsOf } from "@/features/apis/defaults";
import { bodyOf, textOf } from "@/features/apis/edit-api";
import { carryOut, type Step } from "@/features/apis/plan";
import { ApiError } from "@/lib/api/request";
import type { Api, Defaults, Key } from "@/lib/api/types";
import { callable } from "@/lib/apis";
import { queryClient } from "@/lib/query";

afterEach(() => {
  vi.unstubAllGlobals();
  queryClient.clear();
  localStorage.clear();
});

const api = (part: Partial<Api> = {}): Api => ({ name: "assistant", title: "", description: "", target: "up/one", enabled: true, state: "ready", reason: null, defaults: {}, created_at: "2026-11-01T00:00:00Z", updated_at: "2026-11-01T00:00:00Z", ...part });
const key = (id: string, models: string[] | null): Key => ({ id, label: id, models, state: "active", revoked_at: null }) as Key;
const refusal = (status: number, param: string | null = null) => new ApiError(status, { type: "", code: "", message: "no", param, request_id: "" });

describe("the defaults of an API", () => {
  const full: Defaults = { temperature: 0.2, top_p: 1, max_tokens: 800, seed: -7, presence_penalty: -2, frequency_penalty: 0, stop: ["\n", "END"], system_prompt: "Be brief." };
  it("go to the form and back as they were", () => {
    expect(defaultsOf(fieldsOf(full))).toEqual(full);
    expect(defaultsOf(noDefaults)).toEqual({});
    expect(fieldsOf(full).stop).toBe("\\n\nEND");
  });
  it("keep the longest answer under the name that it has", () => {
    const newer: Defaults = { max_completion_tokens: 64 };
    expect(fieldsOf(newer).max_tokens).toBe("64");
    expect(defaultsOf(fieldsOf(newer), newer)).toEqual(newer);
  });
  it("stop at one text as well as at several", () => expect(fieldsOf({ stop: "END" }).stop).toBe("END"));
  it.each([
    ["temperature", "", null],
    ["temperature", "2", null],
    ["temperature", ".5", null],
    ["temperature", "2.1", "number"],
    ["temperature", "1e0", "number"],
    ["temperature", "warm", "number"],
    ["presence_penalty", "-2", null],
    ["top_p", "-0.1", "number"],
    ["max_tokens", "800", null],
    ["max_tokens", "0", "whole"],
    ["max_tokens", "1.5", "whole"],
    ["seed", "-7", null],
    ["stop", "a\nb\nc\nd", null],
    ["stop", "a\nb\nc\nd\ne", "stops"],
  ] as const)("%s %j is %j", (name, text, fault) => expect(faultOf(name, text)).toBe(fault));
  it("are no novels", () => expect([faultOf("stop", "x".repeat(501)), faultOf("system_prompt", "x".repeat(20_000)), faultOf("system_prompt", "x".repeat(20_001))]).toEqual(["stops", null, "long"]));
  it("have lines that stand for the end of a line", () => expect(stopsOf("\\n\\n\n\nUser:")).toEqual(["\n\n", "User:"]));
  it("have their refusals beside their fields", () => expect(["defaults.temperature", "defaults.max_completion_tokens", "name", "target", "defaults", "enabled", null].map(placeOf)).toEqual(["temperature", "max_tokens", "name", "target", null, null, null]));
});

describe("an API", () => {
  it("is marked by what it can do now", () => expect([api(), api({ state: "broken" }), api({ state: "disabled", enabled: false })].map(apiMark)).toEqual(["serving", "failed", "off"]));
  it("is called by those whose scope names it, and by those without one", () => {
    const { named, unbounded, only } = callersOf("assistant", [key("a", ["assistant"]), key("b", null), key("c", ["up/*"]), key("d", ["up/*", "assistant"]), key("e", ["assistants"])]);
    expect([named, unbounded, only].map((list) => list.map((each) => each.id))).toEqual([["a", "d"], ["b"], ["a"]]);
  });
  it("is offered beside the models only while it answers", () => {
    expect(callable([api(), api({ name: "gone", state: "broken" }), api({ name: "off", state: "disabled" })])).toEqual(["assistant"]);
    expect(callable(undefined)).toEqual([]);
  });
  it("has a name that is a plain word and no model's", () => {
    expect(["assistant", "a", "9-x_y", "-x", "Ab", "a/b", "", "a".repeat(64)].map((name) => NAME.test(name))).toEqual([true, true, true, false, false, false, false, false]);
    expect(["one", "up/one", "on", "up"].map((name) => isModelName(name, ["up/one", "up/two"]))).toEqual([true, true, false, false]);
  });
  it("is changed by what differs, and by its defaults only as a whole", () => {
    const was = textOf(api({ defaults: { temperature: 1, seed: 7 } }));
    expect(bodyOf(was, was, {})).toEqual({});
    expect(bodyOf(was, { ...was, title: " Helper ", target: "up/two" }, {})).toEqual({ title: "Helper", target: "up/two" });
    expect(bodyOf(was, { ...was, temperature: "" }, { temperature: 1, seed: 7 })).toEqual({ defaults: { seed: 7 } });
  });
});

describe("a plan", () => {
  const run = async (fails: Record<string, unknown>) => {
    const log: string[] = [];
    const step = (name: string): Step => ({
      name,
      act: () => (log.push(`do ${name}`), name in fails ? Promise.reject(fails[name] as Error) : Promise.resolve()),
      undo: () => (log.push(`undo ${name}`), `undo ${name}` in fails ? Promise.reject(new Error("no")) : Promise.resolve()),
    });
    const outcome = await carryOut(["a", "b", "c"].map(step), () => undefined);
    return { log: log.join(", "), outcome };
  };
  it("is carried out in order", async () => expect(await run({})).toEqual({ log: "do a, do b, do c", outcome: { ok: true } }));
  it("is taken back from its end where a step is refused", async () => {
    const { log, outcome } = await run({ c: refusal(422) });
    expect(log).toBe("do a, do b, do c, undo b, undo a");
    expect(outcome).toMatchObject({ ok: false, failed: "c", undone: ["b", "a"], left: [] });
  });
  it("takes back the very step that nobody knows the end of", async () => {
    for (const unknown of [refusal(0), refusal(503), new Error("cut off")]) expect((await run({ b: unknown })).log).toBe("do a, do b, undo b, undo a");
  });
  it("names what it could not take back, and takes back the rest", async () => {
    const { log, outcome } = await run({ c: refusal(409), "undo b": true });
    expect(log).toContain("undo a");
    expect(outcome).toMatchObject({ undone: ["a"], left: ["b"] });
  });
});

describe("the wizard", { timeout: 30_000 }, () => {
  const asked: { method: string; path: string; body: unknown }[] = [];
  /** A server that has one model and knows the owner; `answers` are for what is written. */
  function serve(answers: Record<string, [number, unknown]>) {
    asked.length = 0;
    const told: Record<string, unknown> = {
      "/api/models": { models: [{ id: "up/one", provider: "up", capabilities: ["chat"], context_length: 4096 }], next_cursor: null },
      "/api/projects": { projects: [{ name: "default", title: "default", role: "owner" }], next_cursor: null },
      "/api/auth/me": { user: { id: "u", email: "k@example.jp", name: "K", role: "owner" }, csrf: "x" },
      "/api/status": { ports: { gateway: 4000, console: 4001 } },
    };
    vi.stubGlobal("scrollTo", () => undefined);
    vi.stubGlobal("fetch", (address: string, { method = "GET", body }: RequestInit) => {
      const path = new URL(address, "http://localhost").pathname;
      if (method !== "GET") asked.push({ method, path, body: typeof body === "string" ? JSON.parse(body) : null });
      const [status, answer] = method === "GET" ? [200, told[path] ?? {}] : (answers[`${method} ${path}`] ?? [404, { error: { message: "none" } }]);
      return Promise.resolve(new Response(JSON.stringify(answer), { status, headers: { "content-type": "application/json" } }));
    });
  }
  function show(children: ReactNode) {
    const router = createRouter({ routeTree: createRootRoute({ component: () => children }), history: createMemoryHistory() });
    return render(
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>,
    );
  }
  const press = (name: string) => userEvent.click(screen.getByRole("button", { name }));

  async function toThePlan() {
    await userEvent.click(await screen.findByRole("radio", { name: /up\/one/ }));
    await press("Next");
    await userEvent.type(screen.getByLabelText("Name"), "assistant");
    await userEvent.type(screen.getByLabelText("Temperature"), "0.2");
    await press("Next");
    await userEvent.type(screen.getByLabelText("Name"), "web-chat");
    await press("Next");
  }

  it("asks for nothing to be made before the plan is agreed to, then for all of it", async () => {
    serve({ "POST /api/apis": [201, { ...api(), revision: 7, warnings: [] }], "POST /api/keys": [201, { ...key("k", ["assistant"]), plain_key: "sk-sek-k-secret", revision: 8, warnings: [], expires_at: null }] });
    show(<CreateApi apis={[]} keys={[]} onClose={() => undefined} />);
    await toThePlan();
    expect(asked).toEqual([]);
    expect(screen.getByText("May call assistant only. Project default; expires: never.")).toBeTruthy();
    expect((await axe(document.body, { rules: { region: { enabled: false }, "page-has-heading-one": { enabled: false } } })).violations.map((each) => each.id)).toEqual([]);
    await press("Create");
    expect((await screen.findByText("sk-sek-k-secret")).dataset["secret"]).toBe("");
    expect(asked).toEqual([
      { method: "POST", path: "/api/apis", body: { name: "assistant", target: "up/one", title: "", description: "", enabled: true, defaults: { temperature: 0.2 } } },
      { method: "POST", path: "/api/keys", body: { label: "web-chat", project: "default", models: ["assistant"], expires_in_s: null } },
    ]);
    expect(JSON.stringify(localStorage)).not.toContain("web-chat");
  });

  it("takes the API back where the key is refused, and says so", async () => {
    serve({ "POST /api/apis": [201, { ...api(), revision: 7, warnings: [] }], "POST /api/keys": [422, { error: { message: "the project is archived" } }], "DELETE /api/apis/assistant": [200, { revision: 8, warnings: [] }] });
    show(<CreateApi apis={[]} keys={[]} onClose={() => undefined} />);
    await toThePlan();
    await press("Create");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("The key was not made ready. the project is archived");
    expect(alert.textContent).toContain("The API assistant was taken back. Nothing is left behind.");
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /api/apis", "POST /api/keys", "DELETE /api/apis/assistant"]);
    // What was typed is there for another try, and after a reload.
    expect(localStorage.getItem("sekisho.draft.api")).toContain("web-chat");
  });

  it("admits what it could not take back", async () => {
    serve({ "POST /api/apis": [201, { ...api(), revision: 7, warnings: [] }], "POST /api/keys": [422, { error: { message: "no" } }], "DELETE /api/apis/assistant": [503, { error: { message: "read-only" } }] });
    show(<CreateApi apis={[]} keys={[]} onClose={() => undefined} />);
    await toThePlan();
    await press("Create");
    expect((await screen.findByRole("alert")).textContent).toContain("The API assistant could not be taken back");
  });

  it("puts a refusal of the server beside its field", async () => {
    serve({ "POST /api/apis": [409, { error: { message: "another thing has this name", param: "name" } }] });
    show(<CreateApi apis={[]} keys={[]} onClose={() => undefined} />);
    await toThePlan();
    await press("Create");
    await waitFor(() => expect(screen.getByLabelText("Name").getAttribute("aria-invalid")).toBe("true"));
    expect(screen.getByRole("alert").textContent).toContain("another thing has this name");
    expect((screen.getByLabelText("Temperature") as HTMLInputElement).value).toBe("0.2");
  });

  it("goes on only from what is right", async () => {
    serve({});
    show(<CreateApi apis={[api({ name: "taken" })]} keys={[]} onClose={() => undefined} />);
    await screen.findByRole("radio", { name: /up\/one/ });
    await press("Next");
    expect(screen.getByRole("alert").textContent).toContain("Choose the model");
    await userEvent.click(screen.getByRole("radio", { name: /up\/one/ }));
    await press("Next");
    for (const [name, wrong] of [["taken", "already"], ["one", "the name of a model"], ["Not This", "Small letters"]] as const) {
      await userEvent.clear(screen.getByLabelText("Name"));
      await userEvent.type(screen.getByLabelText("Name"), name);
      await press("Next");
      expect(screen.getByRole("alert").textContent).toContain(wrong);
    }
    await userEvent.type(screen.getByLabelText("Temperature"), "9");
    await press("Next");
    expect(screen.getAllByRole("alert").map((each) => each.textContent).join(" ")).toContain("a number from 0 to 2");
  });
});
