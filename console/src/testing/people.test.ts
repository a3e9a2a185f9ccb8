import { describe, expect, it } from "vitest";

import { agentName } from "@/components/logins";
import { auditQuery, objectOf } from "@/features/audit/audit";
import { compared } from "@/features/audit/audit-drawer";
import { invitationState } from "@/features/people/invitations";
import { nameOf } from "@/features/projects/create-project";
import type { AuditRow, Invitation } from "@/lib/api/types";
import { mayOf } from "@/lib/rights";

describe("rights", () => {
  it("grow from guest to owner", () => {
    const all = ["keys.read", "keys.write", "projects.write", "catalog.write", "users", "audit", "system", "owners"] as const;
    const counts = (["guest", "user", "admin", "owner"] as const).map((role) => all.filter((right) => mayOf(role, right)).length);
    expect(counts).toEqual([1, 3, 7, 8]);
  });
  it("are nobody's before it is known who is here, but for what is everybody's", () => {
    expect(mayOf(undefined, "keys.read")).toBe(false);
    expect(mayOf(undefined, undefined)).toBe(true);
  });
});

describe("the name of a project", () => {
  it.each([
    ["Night Train", "night-train"],
    ["  Café № 3 ", "cafe-no-3"],
    ["お客様サポート", ""],
    ["-_x_-", "x_"],
    ["a".repeat(80), "a".repeat(63)],
  ])("of %j is %j", (title, name) => expect(nameOf(title)).toBe(name));
});

describe("an invitation", () => {
  const base = { accepted_at: null, withdrawn_at: null, expires_at: "2026-11-20T12:00:00Z" } as Invitation;
  const at = (time: string) => new Date(time);
  it("is open until it is used, withdrawn, or its time is over", () => {
    expect(invitationState(base, at("2026-11-20T11:59:59Z"))).toBe("open");
    expect(invitationState(base, at("2026-11-20T12:00:00Z"))).toBe("expired");
    expect(invitationState({ ...base, withdrawn_at: "2026-11-19T00:00:00Z" }, at("2026-11-20T11:00:00Z"))).toBe("withdrawn");
    expect(invitationState({ ...base, accepted_at: "2026-11-19T00:00:00Z" }, at("2027-11-20T11:00:00Z"))).toBe("accepted");
  });
});

describe("a row of the audit", () => {
  it("shows what differs first and leaves out what says nothing", () => {
    expect(compared({ role: "user", name: "Mio", tpm: null }, { role: "guest", name: "Mio", tpm: null })).toEqual([
      { name: "role", before: "user", after: "guest", same: false },
      { name: "name", before: "Mio", after: "Mio", same: true },
    ]);
    expect(compared(null, { models: ["a"], rpm: 60 })).toEqual([
      { name: "models", before: "", after: '["a"]', same: false },
      { name: "rpm", before: "", after: "60", same: false },
    ]);
  });
  it("is about a thing by its name, else by its id", () => {
    expect(objectOf({ object_id: "k1", after: { label: "web" }, before: null } as unknown as AuditRow)).toBe("web");
    expect(objectOf({ object_id: "k1", after: null, before: { email: "a@b" } } as unknown as AuditRow)).toBe("a@b");
    expect(objectOf({ object_id: "k1", after: null, before: null } as unknown as AuditRow)).toBe("k1");
  });
  it("is asked for in whole minutes", () => {
    const now = Date.parse("2026-11-20T12:34:56.789Z");
    expect(auditQuery({ last: "24h", about: "key" }, now)).toMatchObject({ since: "2026-11-19T12:34:00.000Z", action: "key" });
    expect(auditQuery({ last: "no such span" }, now)["since"]).toBeUndefined();
  });
});

describe("a browser", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "Chrome 156, Linux"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari 605, macOS"],
    ["curl/8.15.0", "curl 8"],
    ["<b>something else</b>", "<b>something else</b>"],
  ])("of %j is called %j", (agent, name) => expect(agentName(agent)).toBe(name));
});
