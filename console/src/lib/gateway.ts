/**
 * Calls of the console through the gateway itself, as any program makes them: the console's own door has the gateway under `/gateway`, so the browser needs no
 * second origin. The key lives in memory, is told to nobody, and dies within the hour.
 */
import { request } from "@/lib/api/request";
import type { KeyCreated } from "@/lib/api/types";
import { projectsQuery, writableIn } from "@/lib/catalog";
import { queryClient } from "@/lib/query";

export interface Usage {
  input: number;
  output: number;
}

export interface Answered {
  requestId: string;
  httpStatus: number;
  firstTokenMs: number | null;
  totalMs: number;
  usage: Usage | null;
  cost: string | null;
  finish: string | null;
  gateMs: number | null;
}

export class GatewayError extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string;

  constructor(status: number, code: string, message: string, requestId: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

/** What a program on this person's machine is pointed at: the same host at the gateway's port; where one may not know that, the console's own door. */
export function gatewayBase(port: number | undefined): string {
  if (port === undefined) return `${location.origin}/gateway`;
  return `${location.protocol}//${location.hostname}:${port}`;
}

let given = "";

/** The key that somebody who may make none was given and has typed; empty where there is none. */
export function givenKey(): string {
  return given;
}

/** Call with this key from now on, as long as the page is open. */
export function takeKey(plain: string): void {
  given = plain.trim();
}

let own: Promise<KeyCreated> | null = null;
let ownUntil = 0;

async function makeKey(label: string): Promise<KeyCreated> {
  const projects = (await queryClient.query(projectsQuery)).filter(writableIn);
  const project = projects.find((each) => each.name === "default") ?? projects[0];
  return request<KeyCreated>("POST", "/api/keys", { body: { label, expires_in_s: 3600, project: project?.name } });
}

/** The key that was given, or the console's own short-lived one, in a project where one may make keys; made at first need, revoked when the page goes. */
export async function playgroundKey(label: string): Promise<string> {
  if (given !== "") return given;
  if (own === null || Date.now() > ownUntil) {
    ownUntil = Date.now() + 50 * 60_000;
    own = makeKey(label);
    own.catch(() => (own = null));
    void own.then(({ id }) => window.addEventListener("pagehide", () => void request("POST", `/api/keys/${id}/revoke`, { keepalive: true, quiet: true }), { once: true }));
  }
  return (await own).plain_key;
}

interface Chunk {
  error?: { message?: string; code?: string; type?: string };
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
}

/** The `data:` lines of a server-sent stream, as they become whole. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

async function refusalOf(response: Response): Promise<GatewayError> {
  const id = response.headers.get("x-request-id") ?? "";
  try {
    const { error } = (await response.json()) as { error?: { message?: string; code?: string; type?: string } };
    return new GatewayError(response.status, error?.code ?? error?.type ?? "", error?.message ?? response.statusText, id);
  } catch {
    return new GatewayError(response.status, "", response.statusText, id);
  }
}

function gateTime(header: string | null): number | null {
  const found = /gateway;dur=([\d.]+)/.exec(header ?? "");
  return found?.[1] === undefined ? null : Number(found[1]);
}

export interface Chat {
  key: string;
  body: Record<string, unknown>;
  signal?: AbortSignal;
  onText?: (piece: string) => void;
}

/** Stream one chat call; resolves when the answer is whole, rejects with `GatewayError` or the abort. */
export async function chat({ key, body, signal, onText }: Chat): Promise<Answered> {
  const began = performance.now();
  let response: Response;
  try {
    response = await fetch("/gateway/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      credentials: "omit",
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new GatewayError(0, "unreachable", location.origin, "");
  }
  if (!response.ok || response.body === null) throw await refusalOf(response);
  const told: Answered = {
    requestId: response.headers.get("x-request-id") ?? "",
    httpStatus: response.status,
    firstTokenMs: null,
    totalMs: 0,
    usage: null,
    cost: response.headers.get("x-sekisho-cost"),
    finish: null,
    gateMs: gateTime(response.headers.get("server-timing")),
  };
  for await (const event of eventsOf(response.body)) {
    if (event === "[DONE]") break;
    const chunk = JSON.parse(event) as Chunk;
    if (chunk.error !== undefined) throw new GatewayError(response.status, chunk.error.code ?? chunk.error.type ?? "", chunk.error.message ?? "", told.requestId);
    const choice = chunk.choices?.[0];
    const piece = choice?.delta?.content ?? "";
    if (piece !== "") {
      told.firstTokenMs ??= performance.now() - began;
      onText?.(piece);
    }
    told.finish = choice?.finish_reason ?? told.finish;
    if (chunk.usage) told.usage = { input: chunk.usage.prompt_tokens ?? 0, output: chunk.usage.completion_tokens ?? 0 };
  }
  told.totalMs = performance.now() - began;
  return told;
}
