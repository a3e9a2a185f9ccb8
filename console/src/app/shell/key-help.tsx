/** All keys of the console. */
import { useTranslation } from "react-i18next";

import { screens } from "@/app/manifest";
import { keyHelp } from "@/app/shell/state";
import { Dialog } from "@/components/dialog";
import { useMay } from "@/lib/rights";
import { useStore } from "@/lib/store";

export function KeyHelp() {
  const { t } = useTranslation();
  const open = useStore(keyHelp);
  const may = useMay();
  const rows: [string, string][] = [
    ["Ctrl K · /", t("keysHelp.palette")],
    ...screens.filter((screen) => may(screen.needs)).map((screen): [string, string] => [screen.keys, t("keysHelp.go", { screen: t(`nav.${screen.id}`) })]),
    ["c", t("keysHelp.create")],
    ["j k ↑ ↓", t("keysHelp.rows")],
    ["Enter · Esc", t("keysHelp.drawer")],
    [".", t("keysHelp.showNew")],
    ["f", t("keysHelp.filter")],
    ["y", t("keysHelp.copyId")],
    ["?", t("keysHelp.help")],
  ];
  return (
    <Dialog open={open} onClose={() => keyHelp.set(false)} title={t("palette.keys")} subtitle={t("keysHelp.switchOff")} width={560}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1 text-ui sm:grid-cols-[auto_1fr_auto_1fr]">
        {rows.map(([key, act]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded-tag border border-line bg-sunk px-1.5 py-0.5 font-mono text-cap">{key}</kbd>
            </dt>
            <dd>{act}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
