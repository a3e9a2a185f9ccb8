/**
 * The gate strip: one column per second for five minutes, passed calls up, refused or failed hanging below.
 * The scale only grows while one watches; it shrinks when the page is opened again.
 */
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "@/i18n";
import { SPAN, type Second } from "@/lib/strip";
import { paints, token } from "@/lib/preferences";
import { useStore } from "@/lib/store";

const LEFT = 32;
const TOP = 6;
const BOTTOM = 22;

/** The next number that holds the value and whose thirds are round. */
export function roundUp(value: number): number {
  if (value <= 3) return 3;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1.2, 1.5, 3, 6, 9, 12].find((step) => step * power >= value) ?? 12) * power;
}

interface Props {
  seconds: Second[];
  height?: number;
}

export function GateStrip({ seconds, height = 140 }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const scale = useRef({ up: 3, below: 0 });
  const [width, setWidth] = useState(0);
  const [pointed, setPointed] = useState<number | null>(null);
  const painted = useStore(paints);

  useEffect(() => {
    const watched = frame.current;
    if (watched === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    observer.observe(watched);
    return () => observer.disconnect();
  }, []);

  const span = width < 560 ? 120 : SPAN;
  const shown = seconds.slice(-span);

  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (canvas.current === null || !context || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.current.width = width * ratio;
    canvas.current.height = height * ratio;
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    const up = (scale.current.up = Math.max(scale.current.up, roundUp(Math.max(0, ...shown.map((each) => each.passed)))));
    const below = (scale.current.below = Math.max(scale.current.below, ...shown.map((each) => each.bad)));
    const hanging = below === 0 ? 2 : Math.min(34, 10 + (below / up) * 40);
    const zero = height - BOTTOM - hanging;
    const tall = zero - TOP;
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let line = 0; line <= 3; line += 1) {
      const value = (up / 3) * line;
      const y = Math.round(zero - (value / up) * tall) + 0.5;
      context.fillStyle = token(line === 0 ? "line-strong" : "line");
      context.fillRect(LEFT, y - 0.5, width - LEFT, 1);
      context.fillStyle = token("ink-3");
      context.fillText(Number.isInteger(value) ? format.count(value) : value.toFixed(1), LEFT - 7, y);
    }
    const step = (width - LEFT) / span;
    const wide = Math.max(1, step * 0.76);
    context.fillStyle = token("seq-6");
    shown.forEach((each, place) => {
      if (each.passed === 0) return;
      const h = Math.max(1, (each.passed / up) * tall);
      context.fillRect(LEFT + place * step, zero - h, wide, h);
    });
    context.fillStyle = token("shu-mark");
    shown.forEach((each, place) => {
      if (each.bad === 0) return;
      context.fillRect(LEFT + place * step, zero + 1, wide, Math.max(3, (each.bad / below) * hanging));
    });
    context.fillStyle = token("ink-3");
    context.textBaseline = "alphabetic";
    for (let minute = span / 60; minute >= 0; minute -= 1) {
      context.textAlign = minute === span / 60 ? "left" : minute === 0 ? "right" : "center";
      const x = LEFT + (width - LEFT) * (1 - minute / (span / 60));
      context.fillText(minute === 0 ? t("overview.now") : minute === span / 60 || minute === 1 ? t("overview.minutesAgo", { minutes: minute }) : String(minute), x, height - 4);
    }
  }, [shown, width, height, span, format, t, painted]);

  const passed = shown.reduce((sum, each) => sum + each.passed, 0);
  const bad = shown.reduce((sum, each) => sum + each.bad, 0);
  const at = pointed === null ? undefined : shown[pointed];
  return (
    <div ref={frame} className="relative" style={{ height }}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={t("overview.stripSummary", { passed: format.count(passed), bad: format.count(bad), minutes: span / 60 })}
        className="absolute inset-0 size-full"
        onPointerMove={(event) => {
          const x = event.nativeEvent.offsetX - LEFT;
          setPointed(x < 0 ? null : Math.min(shown.length - 1, Math.floor((x / (width - LEFT)) * span)));
        }}
        onPointerLeave={() => setPointed(null)}
      />
      {at === undefined || pointed === null ? null : (
        <div
          className="pointer-events-none absolute top-0 z-10 rounded-control bg-surface px-2 py-1 text-cap whitespace-nowrap shadow-float"
          style={pointed > span / 2 ? { right: width - LEFT - (pointed / span) * (width - LEFT) + 8 } : { left: LEFT + (pointed / span) * (width - LEFT) + 10 }}
        >
          <span className="font-mono text-ink-3">{new Date(at.at * 1000).toLocaleTimeString("en-GB")}</span> <b>{format.exact(at.passed)}</b> {t("overview.passed")}
          {at.bad === 0 ? null : (
            <span className="text-shu">
              {" "}
              <b>{format.exact(at.bad)}</b> {t("overview.bad")}
            </span>
          )}
        </div>
      )}
    </div>
  );
}
