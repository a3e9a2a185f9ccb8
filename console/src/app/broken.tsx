/** What stands where a screen cannot: an unknown address (which looks like a denied one), or a defect of ours. */
import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <main className="grid min-h-[60vh] place-items-center p-6 text-center">
      <div className="flex flex-col items-center gap-3">
        <h1 className="text-verdict font-semibold">{t("error.nothingHere")}</h1>
        <p className="text-ink-2">{t("error.nothingHereWhy")}</p>
        <Link to="/">{t("error.toOverview")}</Link>
      </div>
    </main>
  );
}

export function Broken({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return (
    <main role="alert" className="grid min-h-[60vh] place-items-center p-6">
      <div className="flex max-w-[720px] min-w-0 flex-col gap-3">
        <h1 className="text-verdict font-semibold">{t("error.screenBroke")}</h1>
        <p className="text-ink-2">{t("error.screenBrokeWhy")}</p>
        <div className="flex items-start gap-1 rounded-control bg-sunk p-2">
          <pre className="max-h-40 min-w-0 flex-1 overflow-auto font-mono text-cap whitespace-pre-wrap text-ink-2">{text}</pre>
          <CopyButton text={text} />
        </div>
        <div>
          <Button kind="primary" onClick={reset}>
            {t("common.tryAgain")}
          </Button>
        </div>
      </div>
    </main>
  );
}
