/** One's own account: name and address, password, second factor, sessions, access tokens. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { logOut } from "@/app/shell/person-menu";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { SecretField, SelectField, TextField } from "@/components/field";
import { SessionRows, TokenRows } from "@/components/logins";
import { OneTime } from "@/components/one-time";
import { Failed, Panel, Skeleton, Tag } from "@/components/panel";
import { toast } from "@/components/toast";
import { Choice } from "@/features/settings/choice";
import { useFormat } from "@/i18n";
import { ApiError, request } from "@/lib/api/request";
import type { Enrolment, Factor, LoginSession, SessionList, Token, TokenCreated, TokenList } from "@/lib/api/types";
import { meQuery } from "@/lib/session";

type Doing = "password" | "factor" | "factor-off" | "token" | null;
const SHORTEST = 12;
const DAY = 86_400;
const lives = { week: 7 * DAY, month: 30 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;
type Life = keyof typeof lives;

/** Who one is, and the way out. */
export function Self() {
  const { t } = useTranslation();
  const [changing, setChanging] = useState(false);
  const me = useQuery(meQuery).data?.user;
  return (
    <Choice name={me?.name ?? "–"} help={me?.email}>
      <span className="flex flex-wrap items-center gap-2">
        {me === undefined ? null : <Tag tone="ai">{t(`role.${me.role}`)}</Tag>}
        <Button onClick={() => setChanging(true)}>{t("account.edit")}</Button>
        <Button onClick={() => void logOut()}>{t("palette.logOut")}</Button>
      </span>
      {changing && me !== undefined ? <Profile name={me.name} email={me.email} onClose={() => setChanging(false)} /> : null}
    </Choice>
  );
}

/** The ways in: password, second factor, sessions, tokens. */
export function Account() {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const [doing, setDoing] = useState<Doing>(null);
  const factor = useQuery({ queryKey: ["own", "factor"], queryFn: () => request<Factor>("GET", "/api/auth/totp") });
  const sessions = useQuery({ queryKey: ["own", "sessions"], queryFn: async () => (await request<SessionList>("GET", "/api/auth/sessions")).sessions });
  const tokens = useQuery({ queryKey: ["own", "tokens"], queryFn: async () => (await request<TokenList>("GET", "/api/auth/tokens")).tokens });
  const on = factor.data?.enabled === true;
  async function endSession(session: LoginSession) {
    await request("DELETE", `/api/auth/sessions/${session.id}`);
    await client.invalidateQueries({ queryKey: ["own", "sessions"] });
    toast(t("people.ended", { count: 1 }));
  }
  async function endToken(token: Token) {
    await request("DELETE", `/api/auth/tokens/${token.id}`);
    await client.invalidateQueries({ queryKey: ["own", "tokens"] });
    toast(t("people.tokenEnded", { name: token.name }));
  }
  return (
    <>
      <Choice name={t("account.password")} help={t("account.passwordHelp")}>
        <Button onClick={() => setDoing("password")}>{t("account.edit")}</Button>
      </Choice>
      <Choice
        name={t("account.factor")}
        help={factor.data === undefined ? "\u00a0" : on ? t("account.factorOn", { date: format.date(new Date(factor.data.confirmed_at ?? "")), count: factor.data.recovery_codes }) : t("account.factorOff")}
      >
        {factor.isError ? <Failed error={factor.error} again={() => void factor.refetch()} /> : <Button disabled={factor.data === undefined} onClick={() => setDoing(on ? "factor-off" : "factor")}>{on ? t("account.factorDisable") : t("account.factorEnable")}</Button>}
      </Choice>
      <Panel title={t("account.sessions")} className="!rounded-none !border-x-0 !border-b-0">
        <div className="px-3.5 pb-2.5">{sessions.isPending ? <Skeleton className="h-8" /> : sessions.isError ? <Failed error={sessions.error} again={() => void sessions.refetch()} /> : <SessionRows sessions={sessions.data} act={endSession} />}</div>
      </Panel>
      <Panel
        title={t("account.tokens")}
        sub={t("account.tokensHelp")}
        className="!rounded-none !border-x-0 !border-b-0"
        right={
          <Button size="small" onClick={() => setDoing("token")}>
            {t("account.tokenCreate")}
          </Button>
        }
      >
        <div className="px-3.5 pb-2.5">{tokens.isPending ? <Skeleton className="h-8" /> : tokens.isError ? <Failed error={tokens.error} again={() => void tokens.refetch()} /> : <TokenRows tokens={tokens.data} act={endToken} />}</div>
      </Panel>
      {doing === "password" ? <Password onClose={() => setDoing(null)} /> : null}
      {doing === "factor" ? <Enrol onClose={() => setDoing(null)} /> : null}
      {doing === "factor-off" ? <FactorOff onClose={() => setDoing(null)} /> : null}
      {doing === "token" ? <CreateToken onClose={() => setDoing(null)} /> : null}
    </>
  );
}

/** The server's objection to one field of a form; null where it is about something else. */
function objection(error: unknown, field: string): string | undefined {
  return error instanceof ApiError && error.fault.param === field ? error.fault.message : undefined;
}

function Profile({ name: was, email: wasEmail, onClose }: { name: string; email: string; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState(was);
  const [email, setEmail] = useState(wasEmail);
  const [password, setPassword] = useState("");
  const moved = email.trim() !== wasEmail;
  const saving = useMutation({
    mutationFn: () => request("PATCH", "/api/auth/me", { body: { name: name.trim(), ...(moved ? { email: email.trim(), current_password: password } : {}) } }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: meQuery.queryKey });
      toast(t("account.saved"));
      onClose();
    },
  });
  const fields = ["name", "email", "current_password"];
  const placed = fields.some((field) => objection(saving.error, field) !== undefined);
  return (
    <Dialog open onClose={onClose} title={t("account.editTitle")} width={440}>
      <form
        noValidate
        className="flex flex-col gap-3.5"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        {saving.isError && !placed ? <Failed error={saving.error} /> : null}
        <TextField label={t("setup.name")} autoComplete="name" value={name} error={objection(saving.error, "name")} onChange={(event) => setName(event.target.value)} />
        <TextField label={t("login.email")} type="email" inputMode="email" autoComplete="email" value={email} error={objection(saving.error, "email")} onChange={(event) => setEmail(event.target.value)} />
        {moved ? <SecretField label={t("account.currentPassword")} help={t("account.currentHelp")} autoComplete="current-password" value={password} error={objection(saving.error, "current_password")} onChange={(event) => setPassword(event.target.value)} /> : null}
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={saving.isPending ? t("account.saving") : false}>
            {t("account.save")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

function Password({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [short, setShort] = useState<string>();
  const saving = useMutation({
    mutationFn: () => request("POST", "/api/auth/password", { body: { current_password: current, new_password: next }, quiet: true }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["own", "sessions"] });
      toast(t("account.changed"));
      onClose();
    },
  });
  const wrong = saving.error instanceof ApiError && (saving.error.status === 401 || saving.error.fault.param === "current_password");
  const bad = objection(saving.error, "new_password") ?? objection(saving.error, "password");
  function send(event: SyntheticEvent) {
    event.preventDefault();
    if (Array.from(next).length < SHORTEST) return setShort(t("setup.shortPassword", { count: SHORTEST }));
    setShort(undefined);
    saving.mutate();
  }
  return (
    <Dialog open onClose={onClose} title={t("account.passwordTitle")} subtitle={t("account.passwordHelp")} width={440}>
      <form onSubmit={send} noValidate className="flex flex-col gap-3.5">
        {saving.isError && !wrong && bad === undefined ? <Failed error={saving.error} /> : null}
        <SecretField label={t("account.currentPassword")} autoComplete="current-password" value={current} error={wrong ? t("account.wrongPassword") : undefined} onChange={(event) => setCurrent(event.target.value)} />
        <SecretField label={t("account.newPassword")} help={t("setup.passwordHelp", { count: SHORTEST })} autoComplete="new-password" value={next} error={short ?? bad} onChange={(event) => (setNext(event.target.value), setShort(undefined))} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={saving.isPending ? t("account.saving") : false}>
            {t("reset.set")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

/** The password, the secret, a code that shows it arrived, then the recovery codes. */
function Enrol({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const beginning = useMutation({ mutationFn: () => request<Enrolment>("POST", "/api/auth/totp", { body: password === "" ? {} : { current_password: password } }) });
  const confirming = useMutation({
    mutationFn: () => request<{ recovery_codes: string[] }>("POST", "/api/auth/totp/confirm", { body: { code: code.replaceAll(" ", "") } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["own", "factor"] }),
  });
  if (confirming.data !== undefined) return <OneTime title={t("account.recovery")} text={t("account.recoveryWhat")} secret={confirming.data.recovery_codes.join("\n")} copyLabel={t("account.copyCodes")} onClose={onClose} />;
  const refused = confirming.error instanceof ApiError && confirming.error.status < 500 && confirming.error.status > 0;
  const wrong = objection(beginning.error, "current_password");
  const enrolment = beginning.data;
  return (
    <Dialog open onClose={onClose} title={t("account.factorTitle")} subtitle={t(enrolment === undefined ? "account.factorAsk" : "account.factorScan")} width={480}>
      {enrolment === undefined ? (
        <form
          noValidate
          className="flex flex-col gap-3.5"
          onSubmit={(event) => {
            event.preventDefault();
            beginning.mutate();
          }}
        >
          {beginning.isError && wrong === undefined ? <Failed error={beginning.error} /> : null}
          <SecretField label={t("account.currentPassword")} help={t("account.noPassword")} autoComplete="current-password" value={password} error={wrong} onChange={(event) => setPassword(event.target.value)} />
          <DialogFoot>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
            <Button kind="primary" type="submit" busy={beginning.isPending ? t("account.factorConfirming") : false}>
              {t("account.factorNext")}
            </Button>
          </DialogFoot>
        </form>
      ) : (
        <form
          noValidate
          className="flex flex-col gap-3.5"
          onSubmit={(event) => {
            event.preventDefault();
            confirming.mutate();
          }}
        >
          <div className="flex items-center gap-2 rounded-panel border border-line-strong bg-ai-wash px-4 py-2.5">
            <code data-secret="" className="min-w-0 flex-1 font-mono text-ui break-all">
              {enrolment.secret.replace(/(.{4})/g, "$1 ").trim()}
            </code>
            <CopyButton text={enrolment.secret} />
          </div>
          <p className="text-ui">
            <a href={enrolment.otpauth_url}>{t("account.factorOpen")}</a>
          </p>
          {confirming.isError && !refused ? <Failed error={confirming.error} /> : null}
          <TextField label={t("account.factorCode")} inputMode="numeric" autoComplete="one-time-code" value={code} error={refused ? t("login.wrongCode") : undefined} onChange={(event) => setCode(event.target.value)} />
          <DialogFoot>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
            <Button kind="primary" type="submit" busy={confirming.isPending ? t("account.factorConfirming") : false}>
              {t("account.factorConfirm")}
            </Button>
          </DialogFoot>
        </form>
      )}
    </Dialog>
  );
}

function FactorOff({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [code, setCode] = useState("");
  const ending = useMutation({
    mutationFn: () => request("POST", "/api/auth/totp/disable", { body: { code: code.replaceAll(" ", "") } }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["own", "factor"] });
      toast(t("account.factorIsOff"));
      onClose();
    },
  });
  const refused = ending.error instanceof ApiError && ending.error.status < 500 && ending.error.status > 0;
  return (
    <Dialog open onClose={onClose} title={t("account.factorTitle")} width={420}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          ending.mutate();
        }}
      >
        {ending.isError && !refused ? <Failed error={ending.error} /> : null}
        <TextField label={t("login.code")} help={t("account.factorDisableWhat")} autoComplete="one-time-code" value={code} error={refused ? t("login.wrongCode") : undefined} onChange={(event) => setCode(event.target.value)} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="danger-filled" type="submit" busy={ending.isPending ? t("people.ending") : false}>
            {t("account.factorDisable")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

function CreateToken({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [life, setLife] = useState<Life>("quarter");
  const [missing, setMissing] = useState(false);
  const creating = useMutation({
    mutationFn: () => request<TokenCreated>("POST", "/api/auth/tokens", { body: { name: name.trim(), expires_in_s: lives[life] } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["own", "tokens"] }),
  });
  if (creating.data !== undefined) return <OneTime title={t("account.tokenReady", { name: creating.data.name })} text={t("account.tokenOnce")} secret={creating.data.plain_token} copyLabel={t("account.copyToken")} warning={t("keys.notCopied")} onClose={onClose} />;
  return (
    <Dialog open onClose={onClose} title={t("account.tokenCreate")} subtitle={t("account.tokensHelp")} width={440}>
      <form
        noValidate
        className="flex flex-col gap-3.5"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() === "") setMissing(true);
          else creating.mutate();
        }}
      >
        {creating.isError ? <Failed error={creating.error} /> : null}
        <TextField label={t("account.tokenName")} value={name} maxLength={200} autoComplete="off" error={missing ? t("account.tokenNeedName") : undefined} onChange={(event) => (setName(event.target.value), setMissing(false))} />
        <SelectField label={t("account.tokenLife")} value={life} onChange={(event) => setLife(event.target.value as Life)} options={(Object.keys(lives) as Life[]).map((value) => ({ value, label: t(`keys.life.${value}`) }))} />
        <DialogFoot>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit" busy={creating.isPending ? t("account.tokenCreating") : false}>
            {t("account.tokenCreate")}
          </Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
