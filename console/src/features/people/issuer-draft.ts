/** What stands in the form of a company login, and how it goes to the API and comes from it. */
import type { ChangeIssuer, CreateIssuer, Issuer } from "@/lib/api/types";

export const algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA"] as const;
export const groupRoles = ["admin", "user", "guest"] as const;
type GroupRole = (typeof groupRoles)[number];

export interface GroupLine {
  group: string;
  role: GroupRole;
}

export interface IssuerDraft {
  title: string;
  name: string;
  issuer: string;
  client_id: string;
  console_url: string;
  /** Of who is in none of the groups; empty lets them not in. */
  default_role: "user" | "guest" | "";
  groups_claim: string;
  group_roles: GroupLine[];
  link_by_email: boolean;
  algorithm: (typeof algorithms)[number];
  scopes: string;
  ca_bundle: string;
}

export type IssuerField = keyof IssuerDraft | "client_secret";
export type IssuerFaults = Partial<Record<IssuerField, string>>;

export function emptyDraft(origin: string): IssuerDraft {
  return { title: "", name: "", issuer: "", client_id: "", console_url: origin, default_role: "user", groups_claim: "groups", group_roles: [], link_by_email: false, algorithm: "RS256", scopes: "openid email profile", ca_bundle: "" };
}

export function draftOf(issuer: Issuer): IssuerDraft {
  return {
    title: issuer.title,
    name: issuer.name,
    issuer: issuer.issuer,
    client_id: issuer.client_id,
    console_url: issuer.console_url,
    default_role: (issuer.default_role ?? "") as IssuerDraft["default_role"],
    groups_claim: issuer.groups_claim,
    group_roles: Object.entries(issuer.group_roles).map(([group, role]) => ({ group, role: role as GroupRole })),
    link_by_email: issuer.link_by_email,
    algorithm: issuer.algorithm as IssuerDraft["algorithm"],
    scopes: issuer.scopes.join(" "),
    ca_bundle: issuer.ca_bundle ?? "",
  };
}

/** Only the given fields, as the API takes them. */
export function bodyOf(draft: Partial<IssuerDraft>): ChangeIssuer & Partial<CreateIssuer> {
  const { default_role, group_roles, scopes, ca_bundle, ...plain } = draft;
  return {
    ...Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, typeof value === "string" ? value.trim() : value])),
    ...(default_role === undefined ? {} : { default_role: default_role === "" ? null : default_role }),
    ...(group_roles === undefined ? {} : { group_roles: Object.fromEntries(group_roles.filter((line) => line.group.trim() !== "").map((line) => [line.group.trim(), line.role])) }),
    ...(scopes === undefined ? {} : { scopes: scopes.split(/[\s,、]+/).filter(Boolean) }),
    ...(ca_bundle === undefined ? {} : { ca_bundle: ca_bundle.trim() === "" ? null : ca_bundle }),
  };
}

/** A word for the address, made of the title. */
export function wordOf(title: string): string {
  return title
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 41)
    .replace(/-+$/, "");
}

/** Where people come back to. */
export function callbackOf({ console_url, name }: Pick<IssuerDraft, "console_url" | "name">): string {
  return `${console_url.trim().replace(/\/+$/, "")}/api/auth/oidc/${name.trim() === "" ? "…" : name.trim()}/callback`;
}

/** On which field an objection of the server belongs: `group_roles.staff` is about the groups. */
export function fieldOf(param: string | null): IssuerField | null {
  const first = param?.split(".")[0];
  return first !== undefined && (first in emptyDraft("") || first === "client_secret") ? (first as IssuerField) : null;
}
