/** The page before the house: the gate on the left, what one has to do on the right. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { Segmented } from "@/components/field";
import { Mark } from "@/components/icon";
import { changeLanguage, useLanguage } from "@/i18n";

function Gate() {
  return (
    <svg viewBox="0 0 400 330" preserveAspectRatio="xMidYMax slice" className="absolute inset-x-0 bottom-0 w-full max-md:hidden" aria-hidden="true">
      <g fill="var(--door-gate)">
        <path d="M0 62h400v44H0zM54 0h46v330H54zM300 0h46v330h-46z" />
        <path opacity=".45" d="M100 106h58v224h-58zM242 106h58v224h-58z" />
      </g>
      <circle cx="200" cy="270" r="17" fill="var(--door-traveller)" />
    </svg>
  );
}

export function Door({ title, text, foot, children }: { title: ReactNode; text: ReactNode; foot?: ReactNode; children: ReactNode }) {
  const { t } = useTranslation();
  const language = useLanguage();
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[400px_minmax(0,1fr)] xl:grid-cols-[560px_minmax(0,1fr)]">
      <header className="door relative flex flex-col overflow-hidden px-10 py-9 md:sticky md:top-0 md:h-dvh max-md:px-4 max-md:py-5">
        <div className="flex items-center gap-2.5 text-[18px] font-semibold">
          <Mark size={26} gate="currentColor" traveller="var(--door-traveller)" />
          Sekisho
          <small lang="ja" className="text-body font-normal opacity-85">
            関所
          </small>
        </div>
        <h1 className="mt-16 text-hero font-semibold text-balance max-md:mt-4 max-md:text-[20px]/[30px]">{title}</h1>
        <p className="mt-3.5 max-w-[320px] text-body/[26px] text-balance opacity-90 max-md:mt-1">{text}</p>
        <Gate />
      </header>
      <div className="flex min-h-0 flex-col px-16 py-6 max-md:px-4">
        <nav aria-label={t("palette.language")} className="flex justify-end">
          <Segmented
            label={t("palette.language")}
            value={language}
            options={[
              { value: "ja", label: <span lang="ja">日本語</span> },
              { value: "en", label: <span lang="en">English</span> },
            ]}
            onChange={(next) => changeLanguage(next)}
          />
        </nav>
        <main className="flex flex-1 flex-col">{children}</main>
        <footer className="flex flex-wrap justify-between gap-3 pt-6 text-cap text-ink-3">{foot}</footer>
      </div>
    </div>
  );
}
