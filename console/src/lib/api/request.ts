/** One request to the management API. Every answer is either what was asked for or an `ApiError` in the API's own words. */
export interface Fault {
  type: string;
  code: string;
  message: string;
  param: string | null;
  request_id: string;
}

export class ApiError extends Error {
  readonly status: number;
  readonly fault: Fault;
  /** Seconds after which the server says that another try makes sense. */
  readonly retryAfter: number | null;

  constructor(status: number, fault: Fault, retryAfter: number | null = null) {
    super(fault.message);
    this.status = status;
    this.fault = fault;
    this.retryAfter = retryAfter;
  }
}

type Value = string | number | boolean | null | undefined;

let csrf = "";
let onLost: () => void = () => undefined;

/** The word that every write carries; `GET /api/auth/me` tells it. */
export function setCsrf(word: string): void {
  csrf = word;
}

/** What to do when the server no longer knows us. */
export function whenSessionEnds(act: () => void): void {
  onLost = act;
}

export function address(path: string, query: Record<string, Value> = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null && value !== "") parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

async function faultOf(response: Response): Promise<Fault> {
  const requestId = response.headers.get("x-request-id") ?? "";
  try {
    const body = (await response.json()) as { error?: Partial<Fault> };
    if (body.error?.message !== undefined) return { type: "", code: "", message: "", param: null, request_id: requestId, ...body.error };
  } catch {
    // Not JSON: somebody between the browser and the node answered.
  }
  return { type: "transport", code: "unreadable_answer", message: `${response.status} ${response.statusText}`, param: null, request_id: requestId };
}

interface Options {
  query?: Record<string, Value>;
  body?: unknown;
  signal?: AbortSignal;
  /** Lets the caller deal with a 401 (login itself, the first look). */
  quiet?: boolean;
  /** Makes a repeated creating POST the same POST. */
  idempotencyKey?: string;
  /** Asked by a timer: nobody uses the login by it, and it ends as if this page were closed. */
  byItself?: boolean;
  /** Outlives the page. */
  keepalive?: boolean;
  /** The version that a change was made from; another one is refused with 412. */
  ifMatch?: string | null;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The answer itself, for bodies that are read piece by piece. Raises like `request`. */
export async function send(method: Method, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (options.body !== undefined) headers["content-type"] = "application/json";
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  if (options.byItself === true) headers["x-by-itself"] = "1";
  if (options.ifMatch !== undefined && options.ifMatch !== null) headers["if-match"] = options.ifMatch;
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: "same-origin",
      keepalive: options.keepalive ?? false,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, { type: "transport", code: "unreachable", message: "", param: null, request_id: "" });
  }
  if (!response.ok) {
    const fault = await faultOf(response);
    if (response.status === 401 && options.quiet !== true) onLost();
    const wait = Number(response.headers.get("retry-after") ?? "");
    throw new ApiError(response.status, fault, wait > 0 ? wait : null);
  }
  return response;
}

export async function request<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** What was told, and the version that it is. */
export interface Tagged<T> {
  value: T;
  etag: string | null;
}

export async function tagged<T>(method: Method, path: string, options: Options = {}): Promise<Tagged<T>> {
  const response = await send(method, path, options);
  return { value: (await response.json()) as T, etag: response.headers.get("etag") };
}

/** Whether somebody else changed meanwhile what was to be changed. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 412;
}
