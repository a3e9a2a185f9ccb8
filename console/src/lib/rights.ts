/** What is shown to whom. The server decides; this only hides what it would refuse, so that nobody sees a button that is not for them. */
import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";

import type { Role } from "@/lib/api/contract";
import { meQuery } from "@/lib/session";

export type Right = "keys.read" | "keys.write" | "catalog.write" | "users" | "owners" | "audit" | "projects.write" | "system";

const everybody: readonly Right[] = ["keys.read"];
const users: readonly Right[] = [...everybody, "keys.write", "projects.write"];
const admins: readonly Right[] = [...users, "catalog.write", "users", "audit", "system"];
const rights: Record<Role, readonly Right[]> = { guest: everybody, user: users, admin: admins, owner: [...admins, "owners"] };

export function mayOf(role: Role | undefined, right: Right | undefined): boolean {
  return right === undefined || (role !== undefined && rights[role].includes(right));
}

/** Whether whoever is here may do it. */
export function useMay(): (right: Right | undefined) => boolean {
  const role = useQuery(meQuery).data?.user.role;
  return useCallback((right) => mayOf(role, right), [role]);
}
