/** The two languages. English is the measure: a word that Japanese lacks does not compile. Only the language in use is loaded. */
import i18next from "i18next";
import { useMemo } from "react";
import { initReactI18next, useTranslation } from "react-i18next";

import type { Words } from "@/i18n/words";
import { type Format, type Language, makeFormat } from "@/lib/format";
import { keep, kept } from "@/lib/preferences";

const load: Record<Language, () => Promise<Words>> = {
  en: async () => (await import("@/i18n/en")).en,
  ja: async () => (await import("@/i18n/ja")).ja,
};

export function firstLanguage(): Language {
  const chosen = kept("language");
  if (chosen === "en" || chosen === "ja") return chosen;
  return navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en";
}

export async function startLanguage(language: Language = firstLanguage()): Promise<Language> {
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: { [language]: { translation: await load[language]() } },
    interpolation: { escapeValue: false },
    returnNull: false,
    saveMissing: true,
    missingKeyHandler: (_, __, key) => {
      throw new Error(`no words for ${key}`);
    },
  });
  document.documentElement.lang = language;
  return language;
}

export async function changeLanguage(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, "translation")) i18next.addResourceBundle(language, "translation", await load[language]());
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
  keep("language", language);
}

export function useLanguage(): Language {
  return useTranslation().i18n.language === "ja" ? "ja" : "en";
}

export function useWords() {
  return useTranslation().t;
}

export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => makeFormat(language), [language]);
}
