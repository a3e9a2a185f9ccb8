/** Somebody comes in by an invitation: what it is for, then an account of their own. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type SyntheticEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { SecretField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { Door } from "@/features/auth/door";
import { useLanguage } from "@/i18n";
import { auth } from "@/lib/api/contract";
import { ApiError } from "@/lib/api/request";
import { useOneTimeWord } from "@/lib/one-time";
import { cameIn } from "@/lib/session";

const SHORTEST = 12;

export function Invited() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const language = useLanguage();
  const word = useOneTimeWord();
  const opened = useQuery({ queryKey: ["invitation", word], queryFn: () => auth.invitation(word), enabled: word !== "", retry: false, staleTime: Infinity });
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [faults, setFaults] = useState<{ name?: string; password?: string }>({});
  const [other, setOther] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = `${t("invited.title")} · Sekisho`;
  }, [t]);

  async function send(event: SyntheticEvent) {
    event.preventDefault();
    if (busy || opened.data === undefined) return;
    const found: typeof faults = {};
    if (name.trim() === "") found.name = t("setup.needName");
    if (Array.from(password).length < SHORTEST) found.password = t("setup.shortPassword", { count: SHORTEST });
    setFaults(found);
    setOther(null);
    if (Object.keys(found).length > 0) return;
    setBusy(true);
    try {
      cameIn(await auth.register({ invitation: word, email: opened.data.email, name: name.trim(), password, language }));
      void navigate({ to: "/", replace: true });
    } catch (error) {
      setBusy(false);
      const fault = error instanceof ApiError ? error.fault : null;
      if (fault?.param === "name" || fault?.param === "password") setFaults({ [fault.param]: fault.message });
      else setOther(error);
    }
  }
  const told = opened.data;
  const role = told === undefined ? "" : t(`role.${told.role as "user"}`);
  return (
    <Door title={t("invited.title")} text={t("setup.motto")}>
      <div className="m-auto w-full max-w-[420px] py-8">
        {word === "" || opened.isError ? (
          <div role="alert" className="flex flex-col gap-3 text-body">
            <p>▲ {t("invited.dead")}</p>
            <Link to="/login">{t("reset.toLogin")}</Link>
          </div>
        ) : told === undefined ? (
          <p role="status" className="text-body text-ink-2">
            {t("invited.checking")}
          </p>
        ) : (
          <form onSubmit={(event) => void send(event)} noValidate className="flex flex-col gap-4">
            <h2 className="text-title font-semibold">{told.project === null ? t("invited.text", { email: told.email, role }) : t("invited.textProject", { email: told.email, role, project: told.project })}</h2>
            {other === null ? null : <Failed error={other} />}
            <input type="hidden" autoComplete="username" value={told.email} readOnly />
            <TextField large label={t("setup.name")} autoComplete="name" value={name} error={faults.name} onChange={(event) => (setName(event.target.value), setFaults({}))} />
            <SecretField large label={t("login.password")} help={t("setup.passwordHelp", { count: SHORTEST })} autoComplete="new-password" value={password} error={faults.password} onChange={(event) => (setPassword(event.target.value), setFaults({}))} />
            <Button kind="primary" size="large" type="submit" busy={busy ? t("invited.joining") : false}>
              {t("invited.join")}
            </Button>
          </form>
        )}
      </div>
    </Door>
  );
}
