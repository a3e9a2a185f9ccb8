/** A line without axes: this period in indigo, the one before dashed behind it. Gaps are gaps. */
interface Props {
  now: (number | null)[];
  before: (number | null)[];
}

const W = 116;
const H = 26;

function path(values: (number | null)[], top: number, length: number): string {
  let text = "";
  let pen = false;
  values.forEach((value, place) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = ((place + 0.5) / length) * W;
    const y = H - 2 - (top === 0 ? 0 : (value / top) * (H - 5));
    const alone = !pen && (values[place + 1] ?? null) === null;
    text += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${alone ? "h.6" : ""}`;
    pen = true;
  });
  return text;
}

export function Sparkline({ now, before }: Props) {
  const top = Math.max(0, ...now.map((each) => each ?? 0), ...before.map((each) => each ?? 0));
  const length = Math.max(now.length, before.length, 1);
  return (
    <svg viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" className="block h-[26px] w-full" aria-hidden="true">
      <path d={path(before, top, length)} fill="none" stroke="var(--line-strong)" strokeWidth="1" strokeDasharray="2 2" vectorEffect="non-scaling-stroke" />
      <path d={path(now, top, length)} fill="none" stroke="var(--ai)" strokeWidth="1.5" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
