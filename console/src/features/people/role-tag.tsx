/** A role, as lists show it. */
import { useTranslation } from "react-i18next";

import { Tag } from "@/components/panel";
import type { Role } from "@/lib/api/contract";

export function RoleTag({ role }: { role: Role }) {
  const { t } = useTranslation();
  return <Tag tone={role === "owner" ? "ai" : "plain"}>{t(`role.${role}`)}</Tag>;
}
