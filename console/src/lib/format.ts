/** How numbers, money, durations and times are written in both languages. The only module that turns a value into text. */
export type Language = "en" | "ja";

export interface Parts {
  value: string;
  unit: string;
}

const MINUS = "\u2212";
const signs: Record<string, string> = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", CNY: "CN¥", KRW: "₩" };

/** Digits with a true minus sign. */
function signed(text: string): string {
  return text.replace(/^-/, MINUS);
}

/** Three or four significant places without trailing zeros after the point. */
function scaled(value: number, places: number): string {
  return value.toFixed(places).replace(/\.0+$/, "");
}

export function makeFormat(language: Language, zone?: string) {
  const locale = language === "ja" ? "ja-JP" : "en-GB";
  const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const clockOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone } as const;
  const clock = new Intl.DateTimeFormat("en-GB", clockOptions);
  const seconds = new Intl.DateTimeFormat("en-GB", { ...clockOptions, second: "2-digit" });
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: language === "ja" ? "long" : "short", timeZone: zone });
  const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: language === "ja" ? "long" : "short", year: "numeric", timeZone: zone });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "long", timeZone: zone });
  const sortable = new Intl.DateTimeFormat("en-CA", { dateStyle: "short", timeZone: zone });
  const ja = language === "ja";

  /** A count whole up to six digits, then shortened: 311.6M, 3.12億. */
  function countParts(value: number): Parts {
    const size = Math.abs(value);
    if (size < 1e6) return { value: signed(whole.format(value)), unit: "" };
    const steps: [number, string][] = ja ? [[1e12, "兆"], [1e8, "億"], [1e4, "万"]] : [[1e12, "T"], [1e9, "B"], [1e6, "M"]];
    const [unit, name] = steps.find(([step]) => size >= step) ?? [1, ""];
    const short = value / unit;
    const places = ja ? Math.max(0, 3 - String(Math.trunc(Math.abs(short))).length) : 1;
    return { value: signed(scaled(short, places)), unit: name };
  }

  /** Milliseconds in the largest fitting unit. */
  function durationParts(ms: number): Parts {
    const s = ja ? "秒" : "s";
    if (ms < 1) return { value: whole.format(ms * 1000), unit: "µs" };
    if (ms < 1000) return { value: ms < 10 ? scaled(ms, 1) : whole.format(ms), unit: "ms" };
    if (ms < 60_000) return { value: (ms / 1000).toFixed(2), unit: s };
    const total = Math.round(ms / 1000);
    const [h, m, rest] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60), total % 60];
    if (h > 0) return { value: ja ? `${h}時間${m}分` : `${h} h ${m} min`, unit: "" };
    return { value: ja ? `${m}分${rest}秒` : `${m} min ${rest} s`, unit: "" };
  }

  function join({ value, unit }: Parts, space: boolean): string {
    return unit === "" ? value : space ? `${value} ${unit}` : value + unit;
  }

  function money(amount: string | number, currency = "USD", places?: number): string {
    const value = Number(amount);
    const sign = signs[currency] ?? `${currency} `;
    const size = Math.abs(value);
    if (value === 0) return `${sign}0`;
    const large = places ?? (size >= 1 ? (currency === "JPY" ? 0 : 2) : 4);
    if (places === undefined && size < 0.00005) return `${value < 0 ? MINUS : ""}< ${sign}0.0001`;
    const text = new Intl.NumberFormat("en-US", { minimumFractionDigits: large, maximumFractionDigits: large }).format(size);
    return `${value < 0 ? MINUS : ""}${sign}${text}`;
  }

  /** A share between 0 and 1. */
  function percent(share: number): string {
    const value = share * 100;
    if (value === 0) return "0%";
    const near = Math.abs(value) < 1 || (Math.abs(value) > 99.9 && Math.abs(value) < 100);
    return `${signed(scaled(value, near ? 2 : 1))}%`;
  }

  return {
    language,
    countParts,
    durationParts,
    money,
    percent,
    count: (value: number) => join(countParts(value), false),
    exact: (value: number) => signed(whole.format(value)),
    duration: (ms: number) => join(durationParts(ms), true),
    /** Change against before, as `+6.1%`; empty where there is no before. */
    change(now: number, before: number): string {
      if (before === 0) return now === 0 ? "0%" : "";
      const value = (now / before - 1) * 100;
      return `${value < 0 ? MINUS : "+"}${Math.abs(value).toFixed(1)}%`;
    },
    /** Difference of two shares in points, as `+0.11 pt`. */
    points(now: number, before: number): string {
      const value = (now - before) * 100;
      return `${value < 0 ? MINUS : "+"}${Math.abs(value).toFixed(2)} pt`;
    },
    bytes(value: number): string {
      const units = ["B", "kB", "MB", "GB", "TB"];
      let size = value;
      let step = 0;
      while (size >= 1000 && step < units.length - 1) {
        size /= 1000;
        step += 1;
      }
      return `${step === 0 ? size : size.toFixed(2)} ${units[step] ?? ""}`;
    },
    speed: (tokens: number) => (ja ? `毎秒${whole.format(tokens)}トークン` : `${whole.format(tokens)} tokens/s`),
    clock: (at: Date) => clock.format(at),
    date: (at: Date) => date.format(at),
    full: (at: Date) => full.format(at),
    /** The time in a list: today with milliseconds, older with its day. */
    listTime(at: Date, now = new Date()): string {
      if (sortable.format(at) === sortable.format(now)) return `${seconds.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
      return `${day.format(at)} ${clock.format(at)}`;
    },
    /** How long ago, or how far ahead, for live places. */
    relative(at: Date, now = new Date()): string {
      const distance = (at.getTime() - now.getTime()) / 1000;
      const size = Math.abs(distance);
      if (size < 5) return ja ? "いま" : "now";
      const unit: [number, string, string] =
        size < 60 ? [1, "s", "秒"] : size < 3600 ? [60, "min", "分"] : size < 86_400 ? [3600, "h", "時間"] : [86_400, "d", "日"];
      const amount = Math.max(1, Math.floor(size / unit[0]));
      if (distance < 0) return ja ? `${amount}${unit[2]}前` : `${amount} ${unit[1]} ago`;
      return ja ? `あと${amount}${unit[2]}` : `in ${amount} ${unit[1]}`;
    },
  };
}

export type Format = ReturnType<typeof makeFormat>;

/** A long id with its middle left out: its start and its end both tell. */
export function shortId(id: string, keep = 14): string {
  return id.length <= keep + 1 ? id : `${id.slice(0, Math.ceil(keep / 2) + 2)}…${id.slice(-Math.floor(keep / 2) + 2)}`;
}
