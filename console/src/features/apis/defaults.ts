/** The values that an API gives to a call which has none of its own: as the fields of a form, and as the management API keeps them. */
import type { Defaults } from "@/lib/api/types";

export const numbers = {
  temperature: { least: 0, most: 2, whole: false },
  max_tokens: { least: 1, most: 10_000_000, whole: true },
  top_p: { least: 0, most: 1, whole: false },
  presence_penalty: { least: -2, most: 2, whole: false },
  frequency_penalty: { least: -2, most: 2, whole: false },
  seed: { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER, whole: true },
} as const;

export type NumberName = keyof typeof numbers;
export const numberNames = Object.keys(numbers) as NumberName[];
/** What nearly everybody sets; the others open on demand. */
export const firstNumbers: readonly NumberName[] = ["temperature", "max_tokens"];
export const moreNumbers: readonly NumberName[] = numberNames.filter((name) => !firstNumbers.includes(name));

export type FieldName = NumberName | "system_prompt" | "stop";
export type Fields = Record<FieldName, string>;
export const fieldNames: readonly FieldName[] = [...numberNames, "system_prompt", "stop"];
export type Fault = "number" | "whole" | "stops" | "long";

export const noDefaults: Fields = { temperature: "", max_tokens: "", top_p: "", presence_penalty: "", frequency_penalty: "", seed: "", system_prompt: "", stop: "" };
const STOPS = 4;
const STOP_LENGTH = 500;
const PROMPT_LENGTH = 20_000;

/** One stop a line; `\n` stands for the end of a line, which nobody can type there. */
export function stopsOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replaceAll("\\n", "\n"));
}

/** What is wrong with a field; null where nothing is. An empty field sets nothing. */
export function faultOf(name: FieldName, text: string): Fault | null {
  const plain = text.trim();
  if (plain === "") return null;
  if (name === "system_prompt") return plain.length > PROMPT_LENGTH ? "long" : null;
  if (name === "stop") return stopsOf(text).length > STOPS || stopsOf(text).some((stop) => stop.length > STOP_LENGTH) ? "stops" : null;
  const { least, most, whole } = numbers[name];
  const value = Number(plain);
  const bad = !/^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(plain) || value < least || value > most || (whole && !Number.isInteger(value));
  return bad ? (whole ? "whole" : "number") : null;
}

/** Under which of its two names the longest answer is kept. */
const longest = (kept: Defaults | undefined) => (kept?.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens");

/** The defaults that fields without faults mean; `kept` are those that the form began with. */
export function defaultsOf(fields: Fields, kept?: Defaults): Defaults {
  const told: Record<string, unknown> = {};
  for (const name of numberNames) if (fields[name].trim() !== "") told[name === "max_tokens" ? longest(kept) : name] = Number(fields[name]);
  const stops = stopsOf(fields.stop);
  if (stops.length > 0) told["stop"] = stops;
  if (fields.system_prompt.trim() !== "") told["system_prompt"] = fields.system_prompt.trim();
  return told;
}

/** The fields that show these defaults. */
export function fieldsOf(defaults: Defaults): Fields {
  const fields = { ...noDefaults };
  for (const name of numberNames) {
    const value = name === "max_tokens" ? defaults[longest(defaults)] : defaults[name];
    if (value != null) fields[name] = String(value);
  }
  const stop = defaults.stop ?? [];
  fields.stop = (typeof stop === "string" ? [stop] : stop).map((each) => each.replaceAll("\n", "\\n")).join("\n");
  fields.system_prompt = defaults.system_prompt ?? "";
  return fields;
}
