/** A new password by a one-time link. */
import { Link } from "@tanstack/react-router";
import { type SyntheticEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { SecretField } from "@/components/field";
import { Failed } from "@/components/panel";
import { Door } from "@/features/auth/door";
import { auth } from "@/lib/api/contract";
import { ApiError } from "@/lib/api/request";
import { useOneTimeWord } from "@/lib/one-time";
import { wentOut } from "@/lib/session";

const SHORTEST = 12;

export function Reset() {
  const { t } = useTranslation();
  const word = useOneTimeWord();
  const [password, setPassword] = useState("");
  const [fault, setFault] = useState<string>();
  const [state, setState] = useState<"typing" | "busy" | "done" | "dead">("typing");
  const [other, setOther] = useState<unknown>(null);
  useEffect(() => {
    document.title = `${t("reset.title")} · Sekisho`;
  }, [t]);

  async function send(event: SyntheticEvent) {
    event.preventDefault();
    if (state === "busy") return;
    if (Array.from(password).length < SHORTEST) return setFault(t("setup.shortPassword", { count: SHORTEST }));
    setOther(null);
    setState("busy");
    try {
      await auth.reset({ token: word, password });
      wentOut();
      setState("done");
    } catch (error) {
      setState("typing");
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) setState("dead");
      else if (error.fault.param === "password") setFault(error.fault.message);
      else setOther(error);
    }
  }
  return (
    <Door title={t("reset.title")} text={t("reset.text")}>
      <div className="m-auto w-full max-w-[420px] py-8">
        {state === "done" || state === "dead" || word === "" ? (
          <div role={state === "done" ? "status" : "alert"} className="flex flex-col gap-3 text-body">
            <p>{state === "done" ? t("reset.done") : `▲ ${t("reset.dead")}`}</p>
            <Link to="/login">{t("reset.toLogin")}</Link>
          </div>
        ) : (
          <form onSubmit={(event) => void send(event)} noValidate className="flex flex-col gap-4">
            {other === null ? null : <Failed error={other} />}
            <SecretField large label={t("account.newPassword")} help={t("setup.passwordHelp", { count: SHORTEST })} autoComplete="new-password" value={password} error={fault} onChange={(event) => (setPassword(event.target.value), setFault(undefined))} />
            <Button kind="primary" size="large" type="submit" busy={state === "busy" ? t("reset.setting") : false}>
              {t("reset.set")}
            </Button>
          </form>
        )}
      </div>
    </Door>
  );
}
