/** One change: before and after side by side, who made it, from where, and the seal of its row. */
import { useTranslation } from "react-i18next";

import { CopyButton } from "@/components/copy";
import { Drawer } from "@/components/drawer";
import { Empty, Skeleton } from "@/components/panel";
import { useFormat } from "@/i18n";
import type { AuditRow } from "@/lib/api/types";

/** The fields of both sides that say anything, those that differ first. */
export function compared(before: Record<string, unknown> | null, after: Record<string, unknown> | null): { name: string; before: string; after: string; same: boolean }[] {
  const text = (side: Record<string, unknown> | null, name: string) => {
    const value = side?.[name];
    return value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  };
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const rows = names.map((name) => ({ name, before: text(before, name), after: text(after, name), same: before !== null && after !== null && text(before, name) === text(after, name) }));
  return rows.filter((row) => row.before !== "" || row.after !== "").sort((a, b) => Number(a.same) - Number(b.same));
}

interface Props {
  row: AuditRow | undefined;
  seq: string;
  waiting: boolean;
  onObject: (id: string) => void;
  onClose: () => void;
}

export function AuditDrawer({ row, seq, waiting, onObject, onClose }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const rows = row === undefined ? [] : compared(row.before, row.after);
  return (
    <Drawer
      label={t("audit.drawer")}
      onClose={onClose}
      head={
        <span className="min-w-0 flex-1 truncate text-ui">
          {t("audit.row")} {seq}
        </span>
      }
    >
      {row === undefined ? (
        waiting ? (
          <Skeleton className="h-40" />
        ) : (
          <Empty text={t("audit.none")} />
        )
      ) : (
        <div className="flex flex-col gap-4">
          <div>
            <h2 className="text-title font-semibold">{row.action}</h2>
            <p className="text-ui text-ink-2">
              {row.actor} · {format.full(new Date(row.at))}
            </p>
          </div>
          {rows.length === 0 ? null : (
            <div className="overflow-x-auto rounded-panel border border-line" tabIndex={0} role="region" aria-label={t("audit.drawer")}>
              <table className="w-full text-left text-ui">
                <thead>
                  <tr className="border-b border-line text-cap text-ink-3">
                    <td className="px-3 py-1.5" />
                    <th scope="col" className="px-3 py-1.5 font-normal">
                      {t("audit.before")}
                    </th>
                    <th scope="col" className="px-3 py-1.5 font-normal">
                      {t("audit.after")}
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((each) => (
                    <tr key={each.name} className="border-t border-line align-top first:border-0">
                      <th scope="row" className="px-3 py-1.5 font-mono text-cap font-normal whitespace-nowrap text-ink-3">
                        {each.name}
                      </th>
                      <td className="px-3 py-1.5 break-words text-ink-2">{each.before === "" ? <span className="text-ink-3">–</span> : each.before}</td>
                      <td className={`px-3 py-1.5 break-words ${each.same ? "text-ink-2" : "bg-ai-wash font-semibold"}`}>{each.after === "" ? <span className="font-normal text-ink-3">–</span> : each.after}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1.5 text-ui">
            <dt className="text-ink-3">{t("audit.object")}</dt>
            <dd className="min-w-0">
              {row.object_kind}{" "}
              <button type="button" className="font-mono break-all text-ai hover:underline" onClick={() => onObject(row.object_id)}>
                {row.object_id}
              </button>
            </dd>
            {(
              [
                [t("audit.project"), row.project],
                [t("audit.address"), row.address],
                [t("audit.requestId"), row.request_id],
                [t("audit.token"), row.token_id],
              ] as const
            ).map(([name, value]) =>
              value === null ? null : (
                <div key={name} className="contents">
                  <dt className="text-ink-3">{name}</dt>
                  <dd className="font-mono break-all">{value}</dd>
                </div>
              ),
            )}
            <dt className="text-ink-3">{t("audit.seal")}</dt>
            <dd className="flex min-w-0 items-center gap-1 font-mono text-cap">
              <span className="min-w-0 truncate">{row.hash}</span>
              <CopyButton text={row.hash} />
            </dd>
          </dl>
          {row.erased ? <p className="text-ui text-ink-3">{t("audit.erased")}</p> : null}
        </div>
      )}
    </Drawer>
  );
}
