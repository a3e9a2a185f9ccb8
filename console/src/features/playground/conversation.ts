/** One column of the playground: what was said, what is being said, and the figures of the last answer. Painted at most once per frame. */
import { useCallback, useEffect, useRef, useState } from "react";

import { type Answered, chat, GatewayError, playgroundKey } from "@/lib/gateway";

export interface Message {
  role: "user" | "assistant";
  content: string;
}

export interface Parameters {
  system: string;
  temperature: number | null;
  maxTokens: number | null;
  json: boolean;
}

export interface Image {
  name: string;
  size: number;
  url: string;
}

export type Column = {
  messages: Message[];
  /** The answer as it grows; null while none does. */
  growing: string | null;
  startedAt: number;
  told: Answered | null;
  fault: GatewayError | null;
  stopped: boolean;
};

export const blank: Column = { messages: [], growing: null, startedAt: 0, told: null, fault: null, stopped: false };

/** The body of the call, as the gateway takes it and as the snippets show it. */
export function bodyOf(model: string, messages: readonly Message[], parameters: Parameters, images: readonly Image[] = []): Record<string, unknown> {
  const last = messages.length - 1;
  return {
    model,
    messages: [
      ...(parameters.system.trim() === "" ? [] : [{ role: "system", content: parameters.system }]),
      ...messages.map((message, place) =>
        place === last && images.length > 0 ? { role: message.role, content: [{ type: "text", text: message.content }, ...images.map((image) => ({ type: "image_url", image_url: { url: image.url } }))] } : message,
      ),
    ],
    ...(parameters.temperature === null ? {} : { temperature: parameters.temperature }),
    ...(parameters.maxTokens === null ? {} : { max_tokens: parameters.maxTokens }),
    ...(parameters.json ? { response_format: { type: "json_object" } } : {}),
  };
}

export function useConversation(keyLabel: string) {
  const [column, setColumn] = useState<Column>(blank);
  const controller = useRef<AbortController | null>(null);
  const latest = useRef(column);
  useEffect(() => {
    latest.current = column;
  });
  useEffect(() => () => controller.current?.abort(), []);

  const send = useCallback(
    async (model: string, text: string, parameters: Parameters, images: readonly Image[]) => {
      controller.current?.abort();
      const own = new AbortController();
      controller.current = own;
      const messages: Message[] = [...latest.current.messages, { role: "user", content: text }];
      setColumn({ ...blank, messages, growing: "", startedAt: performance.now() });
      let answer = "";
      let frame = 0;
      const paint = () => {
        frame = 0;
        setColumn((held) => ({ ...held, growing: answer }));
      };
      try {
        const key = await playgroundKey(keyLabel);
        const told = await chat({
          key,
          body: bodyOf(model, messages, parameters, images),
          signal: own.signal,
          onText: (piece) => {
            answer += piece;
            if (frame === 0) frame = requestAnimationFrame(paint);
          },
        });
        cancelAnimationFrame(frame);
        setColumn((held) => ({ ...held, growing: null, told, messages: [...messages, { role: "assistant", content: answer }] }));
      } catch (error) {
        cancelAnimationFrame(frame);
        const kept: Message[] = answer === "" ? messages : [...messages, { role: "assistant", content: answer }];
        if (error instanceof DOMException && error.name === "AbortError") {
          if (controller.current === own) setColumn((held) => ({ ...held, growing: null, stopped: true, messages: kept }));
          return;
        }
        const fault = error instanceof GatewayError ? error : new GatewayError(0, "", error instanceof Error ? error.message : String(error), "");
        setColumn((held) => ({ ...held, growing: null, fault, messages: kept }));
      }
    },
    [keyLabel],
  );
  const stop = useCallback(() => controller.current?.abort(), []);
  const clear = useCallback(() => {
    controller.current?.abort();
    setColumn(blank);
  }, []);
  return { column, send, stop, clear };
}
