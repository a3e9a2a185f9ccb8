/** The word behind # of a one-time link: read once, then gone from the address. It is never sent but in a body. */
import { useEffect, useState } from "react";

export function useOneTimeWord(): string {
  const [word, setWord] = useState(() => window.location.hash.replace(/^#/, ""));
  // The link may be opened where this page is open already; then only the part behind # changes.
  useEffect(() => {
    const changed = () => (window.location.hash === "" ? undefined : setWord(window.location.hash.replace(/^#/, "")));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    if (word !== "") window.history.replaceState(window.history.state, "", window.location.pathname);
  }, [word]);
  return word;
}
