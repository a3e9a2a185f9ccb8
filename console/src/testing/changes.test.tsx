/** Forms that change what others may change too, files that are counted while they come, and the filters of calls. */
import { QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { axe } from "vitest-axe";

import { Conflict } from "@/components/conflict";
import { filtersOf, matches, queryOf } from "@/features/calls/filters";
import { ChangeKeyDialog } from "@/features/keys/change-key";
import { bodyOf as keyBody, draftOf as keyDraft, fieldOf as keyField, plain } from "@/features/keys/key-change";
import { keyState } from "@/features/keys/key-state";
import { bodyOf, callbackOf, draftOf, emptyDraft, fieldOf, wordOf } from "@/features/people/issuer-draft";
import type { Call, Issuer, Key } from "@/lib/api/types";
import { CutShortError, entryCounter, fetchFile } from "@/lib/download";
import { queryClient } from "@/lib/query";
import { changedOf, differing, rebased } from "@/lib/versions";

afterEach(() => {
  vi.unstubAllGlobals();
  queryClient.clear();
});

describe("two who change the same thing", () => {
  const base = { label: "web", rpm: "60", models: "" };
  const theirs = { label: "web", rpm: "10", models: "openai/*" };
  const mine = { label: "web chat", rpm: "90", models: "" };
  it("are told apart field by field", () => {
    expect(changedOf(base, mine)).toEqual({ label: "web chat", rpm: "90" });
    expect(differing(theirs, mine)).toEqual(["label", "rpm", "models"]);
  });
  it("keep what the other one changed alone", () => expect(rebased(base, theirs, mine)).toEqual({ label: "web chat", rpm: "90", models: "openai/*" }));
});

describe("a company login", () => {
  const issuer = { title: "Corp", name: "corp", issuer: "https://login.example.com", client_id: "sekisho", console_url: "https://gw.example.com", default_role: null, groups_claim: "groups", group_roles: { staff: "user" }, link_by_email: false, algorithm: "RS256", scopes: ["openid", "email"], ca_bundle: null } as unknown as Issuer;
  it("goes to the form and back as it was", () => {
    expect(bodyOf(draftOf(issuer))).toEqual({ title: "Corp", name: "corp", issuer: "https://login.example.com", client_id: "sekisho", console_url: "https://gw.example.com", default_role: null, groups_claim: "groups", group_roles: { staff: "user" }, link_by_email: false, algorithm: "RS256", scopes: ["openid", "email"], ca_bundle: null });
  });
  it("sends only what is given, and no group without a name", () => {
    expect(bodyOf({ group_roles: [{ group: " staff ", role: "admin" }, { group: "", role: "user" }] })).toEqual({ group_roles: { staff: "admin" } });
    expect(bodyOf({ title: " Corp " })).toEqual({ title: "Corp" });
  });
  it.each([
    ["Example Corp.", "example-corp"],
    ["  Šumava № 1 ", "sumava-no-1"],
    ["株式会社", ""],
    ["a".repeat(60), "a".repeat(41)],
  ])("of the title %j has the word %j", (title, word) => expect(wordOf(title)).toBe(word));
  it("tells where people come back to", () => {
    expect(callbackOf({ console_url: "https://gw.example.com/", name: "corp" })).toBe("https://gw.example.com/api/auth/oidc/corp/callback");
    expect(callbackOf({ ...emptyDraft("http://127.0.0.1:4001") })).toBe("http://127.0.0.1:4001/api/auth/oidc/…/callback");
  });
  it("has its objections beside their fields", () => expect(["issuer", "group_roles.staff", "client_secret", "probe", null].map(fieldOf)).toEqual(["issuer", "group_roles", "client_secret", null, null]));
});

const key = { id: "k1", label: "web", project: "default", models: ["openai/*", "up/one"], rpm: 60, tpm: null, concurrency: null, last4: "abcd", created_at: "2026-01-01T00:00:00Z", created_by: null, last_used_at: null, expires_at: null, rotated_at: null, revoked_at: null, disabled_at: null, state: "active" } as Key;

describe("a changed key", () => {
  it("sends what differs, and null where a bound is taken away", () => {
    const was = plain(keyDraft(key));
    expect(keyBody(changedOf(was, plain({ ...keyDraft(key), models: " openai/*,  up/one " })))).toEqual({});
    expect(keyBody(changedOf(was, plain({ ...keyDraft(key), models: "", rpm: "", tpm: "5,000", expires: "2027-02-20T00:00:00.000Z" })))).toEqual({ models: null, rpm: null, tpm: 5000, expires_at: "2027-02-20T00:00:00.000Z" });
  });
  it("has its objections beside their fields", () => expect(["expires_at", "models.0", "label", "enabled"].map(keyField)).toEqual(["expires", "models", "label", null]));
  it("is off before it is anything but dead", () => {
    const now = new Date("2026-11-20T12:00:00Z");
    expect(keyState({ ...key, disabled_at: "2026-11-20T00:00:00Z" }, now)).toBe("disabled");
    expect(keyState({ ...key, disabled_at: "2026-11-20T00:00:00Z", expires_at: "2026-11-20T11:00:00Z" }, now)).toBe("expired");
    expect(keyState({ ...key, expires_at: "2026-11-25T00:00:00Z" }, now)).toBe("soon");
  });
});

/** A server that knows one key, in versions. */
function serving(versions: Key[]): { patches: { body: unknown; ifMatch: string | null }[] } {
  const seen = { patches: [] as { body: unknown; ifMatch: string | null }[] };
  let at = 0;
  vi.stubGlobal("fetch", (address: string, options: { method: string; headers: Record<string, string>; body?: string }) => {
    const headers = new Headers(options.headers);
    const answer = (status: number, body: unknown) => Promise.resolve(new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", etag: `"${at}"` } }));
    if (options.method === "PATCH") {
      const ifMatch = headers.get("if-match");
      seen.patches.push({ body: JSON.parse(options.body ?? "null"), ifMatch });
      if (at < versions.length - 1) at += 1;
      if (ifMatch !== `"${at}"`) return answer(412, { error: { type: "invalid_request", code: "version_mismatch", message: "changed meanwhile", param: "If-Match" } });
      return answer(200, { ...versions[at], revision: 7, warnings: [] });
    }
    if (address.startsWith("/api/keys/k1")) return answer(200, versions[at]);
    return answer(200, { models: [], next_cursor: null });
  });
  return seen;
}

describe("the dialog that changes a key", () => {
  const shown = () => {
    const close = vi.fn();
    render(
      <QueryClientProvider client={queryClient}>
        <ChangeKeyDialog id="k1" known={key} onClose={close} />
      </QueryClientProvider>,
    );
    return close;
  };
  it("shows both versions where somebody else was faster, loses nothing, and saves over theirs when told to", async () => {
    const seen = serving([key, { ...key, rpm: 10 }]);
    const close = shown();
    const limit = await screen.findByLabelText("Calls a minute");
    await userEvent.clear(limit);
    await userEvent.type(limit, "90");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    const both = await screen.findByRole("table");
    expect([...both.querySelectorAll("tbody tr > *")].map((cell) => cell.textContent)).toEqual(["Calls a minute", "10", "90"]);
    expect((limit as HTMLInputElement).value).toBe("90");
    expect(close).not.toHaveBeenCalled();
    await userEvent.click(screen.getByRole("button", { name: "Save mine over it" }));
    await vi.waitFor(() => expect(close).toHaveBeenCalled());
    expect(seen.patches).toEqual([
      { body: { rpm: 90 }, ifMatch: '"0"' },
      { body: { rpm: 90 }, ifMatch: '"1"' },
    ]);
  });
  it("takes over what is there, and then has nothing to save", async () => {
    const seen = serving([key, { ...key, label: "renamed" }]);
    const close = shown();
    await userEvent.type(await screen.findByLabelText("Name"), "!");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await userEvent.click(await screen.findByRole("button", { name: "Take what is there" }));
    expect(screen.getByLabelText("Name")).toHaveProperty("value", "renamed");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(close).toHaveBeenCalled();
    expect(seen.patches).toHaveLength(1);
  });
});

it("both versions side by side have no serious finding of axe", async () => {
  const { container } = render(
    <main>
      <h1>Form</h1>
      <Conflict differences={[{ name: "Name", theirs: "a", yours: "b" }]} busy={false} onTheirs={() => undefined} onYours={() => undefined} />
    </main>,
  );
  const { violations } = await axe(container);
  expect(violations.map((each) => each.id)).toEqual([]);
});

describe("a file that comes piece by piece", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  it("is counted by entries: the head is none, and a line break in a field ends none", () => {
    const csv = entryCounter("csv");
    expect(csv(bytes('id,error\r\n1,"two\n'))).toBe(0);
    expect(csv(bytes('lines ""quoted"""\r\n2,x\r\n'))).toBe(2);
    const lines = entryCounter("jsonl");
    expect(lines(bytes('{"a":"\\"'))).toBe(0);
    expect(lines(bytes('"}\n{}\n'))).toBe(2);
  });
  const streaming = (pieces: string[], end: "close" | "error") => {
    vi.stubGlobal("fetch", () => {
      const left = [...pieces];
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const next = left.shift();
          if (next !== undefined) controller.enqueue(bytes(next));
          else if (end === "close") controller.close();
          else controller.error(new TypeError("network error"));
        },
      });
      return Promise.resolve(new Response(body, { headers: { "x-total-count": "2", "content-type": "text/csv" } }));
    });
  };
  it("tells how far it is, and is whole in the end", async () => {
    streaming(["id\r\n1\r", "\n2\r\n"], "close");
    const told: unknown[] = [];
    const file = await fetchFile("/api/calls/export", { format: "csv", onProgress: (each) => told.push(each) });
    expect(file.size).toBe(10);
    expect(told.at(-1)).toEqual({ entries: 2, of: 2 });
  });
  it("is no file where the connection ends before it does", async () => {
    streaming(["id\r\n1\r\n"], "error");
    await expect(fetchFile("/api/calls/export", { format: "csv" })).rejects.toThrow(CutShortError);
  });
});

describe("filters of calls", () => {
  const call = { request_id: "req_01K2", client_request_id: "job-7", duration_ms: 1200, project: "support", error: { code: "rate_limited" }, status: "failed" } as unknown as Call;
  it("are asked of the API by its names, and what it would refuse is left out", () => {
    expect(queryOf({ project: "support", error: "rate_limited", slower: "2500", find: "req_01" }, 0)).toMatchObject({ project: "support", error_code: "rate_limited", min_duration_ms: "2500", q: "req_01" });
    expect(queryOf({ since: "yesterday", until: "2026-11-20T12:00:00Z", slower: "long", status: "odd" }, 0)).toEqual({ until: "2026-11-20T12:00:00Z" });
  });
  it("hold for calls that just came", () => {
    expect(matches(call, { project: "support", error: "rate_limited", slower: "1200", find: "req_01" })).toBe(true);
    expect(matches(call, { find: "job-" })).toBe(true);
    for (const other of [{ project: "default" }, { error: "x" }, { slower: "1201" }, { find: "01K2" }, { until: "2026-11-20T12:00:00Z" }]) expect(matches(call, other)).toBe(false);
  });
  it("are told apart from what else stands in an address", () => expect(filtersOf({ last: "1h", export: "1" } as never)).toEqual({ last: "1h" }));
});
