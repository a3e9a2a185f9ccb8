/** The form that lets people in; also shown over a page whose session ended. */
import { type SyntheticEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { SecretField, TextField } from "@/components/field";
import { auth } from "@/lib/api/contract";
import { ApiError } from "@/lib/api/request";
import { cameIn } from "@/lib/session";

export function LoginForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<{ field: "email" | "password" | "code"; text: string } | null>(null);
  const [wait, setWait] = useState(0);

  useEffect(() => {
    if (wait === 0) return;
    const timer = window.setTimeout(() => setWait(wait - 1), 1000);
    return () => window.clearTimeout(timer);
  }, [wait]);

  async function send(event: SyntheticEvent) {
    event.preventDefault();
    if (busy || wait > 0) return;
    if (email.trim() === "") return setFault({ field: "email", text: t("login.needEmail") });
    if (password === "") return setFault({ field: "password", text: t("login.needPassword") });
    setBusy(true);
    setFault(null);
    try {
      cameIn(await auth.login({ email: email.trim(), password, ...(code === null ? {} : { totp: code.replaceAll(" ", "") }) }));
      onDone();
    } catch (error) {
      setBusy(false);
      if (!(error instanceof ApiError)) throw error;
      if (error.fault.code === "totp_required") return setCode("");
      if (error.fault.code === "totp_invalid") return setFault({ field: "code", text: t("login.wrongCode") });
      if (error.status === 429) {
        setWait(error.retryAfter ?? 10);
        return setFault({ field: "password", text: t("login.tooMany") });
      }
      if (error.status === 0) return setFault({ field: "password", text: t("error.unreachable") });
      setFault({ field: "password", text: error.status === 401 ? t("login.wrong") : error.fault.message });
    }
  }

  return (
    <form onSubmit={(event) => void send(event)} noValidate className="flex flex-col gap-[18px]">
      <TextField large label={t("login.email")} type="email" autoComplete="username" inputMode="email" value={email} error={fault?.field === "email" ? fault.text : undefined} onChange={(event) => setEmail(event.target.value)} />
      <SecretField large label={t("login.password")} autoComplete="current-password" value={password} error={fault?.field === "password" ? fault.text : undefined} onChange={(event) => setPassword(event.target.value)} />
      {code === null ? null : (
        <TextField large autoFocus label={t("login.code")} help={t("login.codeHelp")} inputMode="numeric" autoComplete="one-time-code" value={code} error={fault?.field === "code" ? fault.text : undefined} onChange={(event) => setCode(event.target.value)} />
      )}
      <Button kind="primary" size="large" type="submit" busy={busy ? t("login.loggingIn") : false} disabled={wait > 0}>
        {wait > 0 ? t("login.wait", { seconds: wait }) : t("login.logIn")}
      </Button>
    </form>
  );
}
