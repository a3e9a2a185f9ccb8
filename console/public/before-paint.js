/* Sets theme, density and language before the first paint, so that nothing flashes. A file of its own: the policy refuses inline scripts. */
(function () {
  var root = document.documentElement;
  function kept(name, fallback) {
    try {
      return localStorage.getItem("sekisho." + name) || fallback;
    } catch (error) {
      return fallback;
    }
  }
  var theme = kept("theme", "system");
  var dark = theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "dark" : "light";
  root.dataset.density = kept("density", "normal");
  root.lang = kept("language", (navigator.language || "en").toLowerCase().indexOf("ja") === 0 ? "ja" : "en");
})();
