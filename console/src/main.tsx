/** Where the console begins: fonts, language, then the application. */
import "@fontsource-variable/ibm-plex-sans/index.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "@fontsource/ibm-plex-mono/latin-500.css";
import "uplot/dist/uPlot.min.css";
import "@/styles/base.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "@/app/app";
import { startLanguage } from "@/i18n";

/** Japanese type is 248 small files behind one large style sheet: first for those who read it, for the others once the page stands. */
async function loadJapaneseType() {
  await Promise.all([import("@fontsource/ibm-plex-sans-jp/400.css"), import("@fontsource/ibm-plex-sans-jp/600.css")]);
}

async function begin() {
  const language = await startLanguage();
  if (language === "ja") void loadJapaneseType();
  const root = document.getElementById("root");
  if (root === null) throw new Error("index.html has no #root");
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
  if (language !== "ja") window.setTimeout(() => void loadJapaneseType(), 300);
}

void begin();
