/** Somebody else saved another version meanwhile: both values side by side, and the two ways on. Nothing was saved, nothing typed is lost. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { StateMark } from "@/components/icon";

export interface Difference {
  name: ReactNode;
  theirs: ReactNode;
  /** Missing where one changed nothing oneself: then what is there stays. */
  yours: ReactNode | undefined;
}

interface Props {
  differences: readonly Difference[];
  onTheirs: () => void;
  onYours: () => void;
  busy: boolean;
}

export function Conflict({ differences, onTheirs, onYours, busy }: Props) {
  const { t } = useTranslation();
  return (
    <div role="alert" className="rounded-panel bg-odo-wash px-3 py-2.5 text-ui">
      <p className="flex items-baseline gap-2">
        <StateMark state="slow" />
        <span>{t(differences.length === 0 ? "conflict.sameNow" : "conflict.changed")}</span>
      </p>
      {differences.length === 0 ? null : (
        <div className="mt-2 overflow-x-auto" tabIndex={0} role="group" aria-label={t("conflict.both")}>
          <table className="w-full border-collapse text-left">
            <thead>
              <tr className="text-cap text-ink-2">
                <td />
                <th scope="col" className="py-1 pr-4 font-normal">
                  {t("conflict.there")}
                </th>
                <th scope="col" className="py-1 font-normal">
                  {t("conflict.yours")}
                </th>
              </tr>
            </thead>
            <tbody>
              {differences.map((each, place) => (
                <tr key={place} className="border-t border-line align-top">
                  <th scope="row" className="py-1.5 pr-4 font-normal text-ink-2">
                    {each.name}
                  </th>
                  <td className="max-w-[220px] py-1.5 pr-4 [overflow-wrap:anywhere]">{each.theirs}</td>
                  <td className="max-w-[220px] py-1.5 [overflow-wrap:anywhere]">{each.yours === undefined ? <span className="text-ink-2">{t("conflict.asThere")}</span> : <b>{each.yours}</b>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="mt-2.5 flex flex-wrap justify-end gap-2">
        <Button size="small" onClick={onTheirs}>
          {t("conflict.takeTheirs")}
        </Button>
        {differences.length === 0 ? null : (
          <Button size="small" kind="primary" busy={busy ? t("common.saving") : false} onClick={onYours}>
            {t("conflict.keepMine")}
          </Button>
        )}
      </div>
    </div>
  );
}
