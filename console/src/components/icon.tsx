/** The drawings: 16 px, one stroke of 1.4. Each stands beside a word or carries a label of its own. */
const paths = {
  overview: "M1.5 5.5h13M4 2.5V14M12 2.5V14M8 9.9a1.1 1.1 0 100 2.2 1.1 1.1 0 000-2.2z",
  playground: "M3 3.5h10v7H7.2L4.3 13v-2.5H3z",
  calls: "M2 4h12M2 8h12M2 12h8",
  usage: "M2.5 13.5V10M6.2 13.5V6M9.8 13.5v-5M13.5 13.5V3",
  apis: "M4 6.2a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6zM12 2a1.8 1.8 0 100 3.6A1.8 1.8 0 0012 2zM12 10.4a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6zM5.6 7.1l4.8-2.4M5.6 8.9l4.8 2.4",
  keys: "M5 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM7.8 8H14v2.6M11.4 8v2",
  providers: "M4.6 12.5a3 3 0 01-.3-6 3.9 3.9 0 017.5 0 3 3 0 01-.3 6z",
  models: "M8 1.8l5.5 3.1v6.2L8 14.2l-5.5-3.1V4.9zM2.5 4.9L8 8l5.5-3.1M8 8v6.2",
  people: "M8 2.4a2.7 2.7 0 100 5.4 2.7 2.7 0 000-5.4zM2.8 13.6c.5-2.5 2.5-3.9 5.2-3.9s4.7 1.4 5.2 3.9",
  projects: "M1.8 3.6h4.4l1.5 1.9h6.5v7.3H1.8z",
  audit: "M3.8 1.8h8.4v12.4H3.8zM6.2 5h3.6M6.2 8h3.6M6.2 11h1.8",
  system: "M1.5 8h3l1.8-4.5 3 9L11.4 8h3.1",
  settings: "M2 4.5h2M7.4 4.5H14M2 11.5h6.6M12.4 11.5H14M5.7 2.8a1.7 1.7 0 100 3.4 1.7 1.7 0 000-3.4zM10.5 9.8a1.7 1.7 0 100 3.4 1.7 1.7 0 000-3.4z",
  search: "M7 2.8a4.2 4.2 0 100 8.4 4.2 4.2 0 000-8.4zM10.2 10.2L14 14",
  down: "M4.5 6.5L8 10l3.5-3.5",
  up: "M4.5 9.5L8 6l3.5 3.5",
  left: "M9.5 4.5L6 8l3.5 3.5",
  right: "M6.5 4.5L10 8l-3.5 3.5",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5l3.2 3.2L13 5",
  pause: "M5.8 4v8M10.2 4v8",
  play: "M5 3.5l7 4.5-7 4.5z",
  export: "M8 2.5V10M5 7.2L8 10l3-2.8M2.5 13.5h11",
  terminal: "M2.5 4.5L6 8l-3.5 3.5M8 12h5.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  stop: "M5 5h6v6H5z",
  clip: "M10.8 4.6L6 9.4a1.4 1.4 0 002 2l5-5a2.9 2.9 0 00-4.1-4.1L3.7 7.5a4.3 4.3 0 006.1 6.1l4-4",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16, label }: { name: IconName; size?: number; label?: string }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2 : 1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      className="shrink-0"
      role={label === undefined ? undefined : "img"}
      aria-label={label}
      aria-hidden={label === undefined}
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: two posts through one beam, a traveller between. */
export function Mark({ size = 22, traveller = "var(--ink)", gate = "var(--ai)" }: { size?: number; traveller?: string; gate?: string }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" className="shrink-0">
      <path d="M1 6.4h22v3.2H1zM4.4 2.4h3.2V22H4.4zM16.4 2.4h3.2V22h-3.2z" fill={gate} />
      <circle cx="12" cy="17.4" r="2.6" fill={traveller} />
    </svg>
  );
}

export type State = "serving" | "slow" | "failed" | "off";

/** Shape before colour: ● serving, ◆ slow or near a limit, ▲ failed or refused, ○ off. */
export function StateMark({ state, label }: { state: State; label?: string }) {
  const shape = {
    serving: <circle cx="5" cy="5" r="4" fill="var(--roku-mark)" />,
    slow: <path d="M5 0l5 5-5 5-5-5z" fill="var(--odo-mark)" />,
    failed: <path d="M5 .5l5 9H0z" fill="var(--shu-mark)" />,
    off: <circle cx="5" cy="5" r="3.3" fill="none" stroke="var(--ink-3)" strokeWidth="1.4" />,
  }[state];
  return (
    <svg width="10" height="10" viewBox="0 0 10 10" className="shrink-0" role={label === undefined ? undefined : "img"} aria-label={label} aria-hidden={label === undefined}>
      {shape}
    </svg>
  );
}
