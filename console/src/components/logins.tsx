/** Where somebody is logged in, and the tokens of their scripts: the same rows for an admin and for oneself. */
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { useFormat } from "@/i18n";
import type { LoginSession, Token } from "@/lib/api/types";

/** The browser or program, as short as one can say it. */
export function agentName(agent: string): string {
  const known = /(Edg|OPR|Firefox|Chrome|Safari|curl|python-[\w.]+|node)[/ ]([\d]+)/i.exec(agent);
  const system = /(Windows|Mac OS X|Android|iPhone|Linux)/.exec(agent)?.[1];
  if (known === null) return agent.slice(0, 60);
  const name = { Edg: "Edge", OPR: "Opera" }[known[1] ?? ""] ?? known[1];
  return system === undefined ? `${name} ${known[2]}` : `${name} ${known[2]}, ${system === "Mac OS X" ? "macOS" : system}`;
}

function End({ act }: { act: () => Promise<void> }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  return (
    <Button
      size="small"
      busy={busy ? t("people.ending") : false}
      onClick={() => {
        setBusy(true);
        act().catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), { failed: true })).finally(() => setBusy(false));
      }}
    >
      {t("people.end")}
    </Button>
  );
}

const row = "flex min-h-9 flex-wrap items-center gap-x-3 border-t border-line py-1 text-ui first:border-0";

export function SessionRows({ sessions, act }: { sessions: readonly LoginSession[]; act?: (session: LoginSession) => Promise<void> }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (sessions.length === 0) return <p className="text-ui text-ink-3">{t("people.noSessions")}</p>;
  return (
    <ul>
      {sessions.map((session) => (
        <li key={session.id} className={row}>
          <span className="min-w-0 flex-1 truncate max-sm:basis-full" title={session.agent}>
            {session.kind === "tokens" ? `${t("people.script")} · ` : ""}
            {agentName(session.agent)}
          </span>
          {session.current ? <Tag tone="ai">{t("people.thisOne")}</Tag> : null}
          <code className="font-mono text-cap text-ink-3">{session.address}</code>
          <span className="text-cap text-ink-3" title={format.full(new Date(session.seen_at))}>
            {t("people.seen", { when: format.relative(new Date(session.seen_at)) })}
          </span>
          {act === undefined || session.current ? null : <End act={() => act(session)} />}
        </li>
      ))}
    </ul>
  );
}

export function TokenRows({ tokens, act }: { tokens: readonly Token[]; act?: (token: Token) => Promise<void> }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (tokens.length === 0) return <p className="text-ui text-ink-3">{t("people.noTokens")}</p>;
  return (
    <ul>
      {tokens.map((token) => (
        <li key={token.id} className={row}>
          <span className="min-w-0 flex-1 truncate max-sm:basis-full">
            <b>{token.name}</b> <code className="font-mono text-cap text-ink-3">••••{token.last4}</code>
          </span>
          <span className="text-cap text-ink-3">{token.last_used_at === null ? t("account.neverUsed") : t("account.usedLast", { when: format.relative(new Date(token.last_used_at)) })}</span>
          <span className="text-cap text-ink-3">{t("account.untilDay", { date: format.date(new Date(token.expires_at)) })}</span>
          {act === undefined ? null : <End act={() => act(token)} />}
        </li>
      ))}
    </ul>
  );
}
