import { describe, expect, it } from "vitest";

import { makeFormat, shortId } from "@/lib/format";

const en = makeFormat("en", "UTC");
const ja = makeFormat("ja", "Asia/Tokyo");

describe("counts", () => {
  it.each([
    [0, "0", "0"],
    [184_302, "184,302", "184,302"],
    [311_600_000, "311.6M", "3.12億"],
    [1_200_000_000, "1.2B", "12億"],
    [1_843_020, "1.8M", "184万"],
    [-12, "−12", "−12"],
  ])("%d", (value, english, japanese) => {
    expect(en.count(value)).toBe(english);
    expect(ja.count(value)).toBe(japanese);
  });
});

describe("money", () => {
  it.each([
    ["0", "$0"],
    ["0.0119260000", "$0.0119"],
    ["0.0000100000", "< $0.0001"],
    ["212.4800000000", "$212.48"],
    ["1204.3", "$1,204.30"],
  ])("%s", (value, text) => expect(en.money(value)).toBe(text));
  it("shows six digits where they are asked for", () => expect(en.money("0.0119260000", "USD", 6)).toBe("$0.011926"));
  it("writes whole yen from one on", () => {
    expect(ja.money("1204.3", "JPY")).toBe("¥1,204");
    expect(ja.money("0.25", "JPY")).toBe("¥0.2500");
  });
});

describe("shares and changes", () => {
  it.each([
    [0, "0%"],
    [0.0042, "0.42%"],
    [0.061, "6.1%"],
    [0.9999, "99.99%"],
    [1, "100%"],
  ])("%d", (share, text) => expect(en.percent(share)).toBe(text));
  it("has a true minus, and points for shares", () => {
    expect(en.change(97, 100)).toBe("−3.0%");
    expect(en.change(5, 0)).toBe("");
    expect(en.points(0.0042, 0.0031)).toBe("+0.11 pt");
  });
});

describe("durations", () => {
  it.each([
    [0.21, "210 µs", "210 µs"],
    [312, "312 ms", "312 ms"],
    [4870, "4.87 s", "4.87 秒"],
    [252_000, "4 min 12 s", "4分12秒"],
    [12_000_000, "3 h 20 min", "3時間20分"],
  ])("%d", (ms, english, japanese) => {
    expect(en.duration(ms)).toBe(english);
    expect(ja.duration(ms)).toBe(japanese);
  });
});

describe("times", () => {
  const at = new Date("2026-11-20T14:03:29.039Z");
  it("writes today with milliseconds, another day with its date, in the viewer's zone", () => {
    expect(en.listTime(at, new Date("2026-11-20T20:00:00Z"))).toBe("14:03:29.039");
    expect(en.listTime(at, new Date("2026-11-22T00:00:00Z"))).toBe("20 Nov 14:03");
    expect(ja.listTime(at, new Date("2026-11-22T00:00:00Z"))).toBe("11月20日 23:03");
  });
  it("tells how long ago and how far ahead", () => {
    expect(en.relative(new Date(at.getTime() - 18 * 60_000), at)).toBe("18 min ago");
    expect(ja.relative(new Date(at.getTime() - 18 * 60_000), at)).toBe("18分前");
    expect(en.relative(new Date(at.getTime() + 6.5 * 86_400_000), at)).toBe("in 6 d");
  });
});

it("shortens an id in its middle", () => {
  expect(shortId("call_01KAH5Z8Q4M7WX", 10)).toBe("call_01…7WX");
  expect(shortId("short")).toBe("short");
});
