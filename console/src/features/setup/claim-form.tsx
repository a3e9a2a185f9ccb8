/** The first owner: the printed one-time link proves that one may. */
import { type SyntheticEvent, useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { SecretField, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { useLanguage } from "@/i18n";
import { auth, type Me } from "@/lib/api/contract";
import { ApiError } from "@/lib/api/request";

interface Fields {
  token: string;
  name: string;
  email: string;
  password: string;
}

const SHORTEST = 12;

export function ClaimForm({ token, onDone }: { token: string; onDone: (me: Me) => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const [fields, setFields] = useState<Fields>({ token: "", name: "", email: "", password: "" });
  const [faults, setFaults] = useState<Partial<Record<keyof Fields, string>>>({});
  const [other, setOther] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  async function send(event: SyntheticEvent) {
    event.preventDefault();
    if (busy) return;
    const found: Partial<Record<keyof Fields, string>> = {};
    const word = fields.token.trim() || token;
    if (word === "") found.token = t("setup.needToken");
    if (fields.name.trim() === "") found.name = t("setup.needName");
    if (!/^\S+@\S+$/.test(fields.email.trim())) found.email = t("login.needEmail");
    if (Array.from(fields.password).length < SHORTEST) found.password = t("setup.shortPassword", { count: SHORTEST });
    setFaults(found);
    setOther(null);
    if (Object.keys(found).length > 0) return;
    setBusy(true);
    try {
      const claimed = await auth.claim({ token: word, name: fields.name.trim(), email: fields.email.trim(), password: fields.password, language });
      onDone(claimed);
    } catch (error) {
      setBusy(false);
      const fault = error instanceof ApiError ? error.fault : null;
      if (fault?.param !== null && fault?.param !== undefined && fault.param in fields) setFaults({ [fault.param]: fault.message });
      else if (error instanceof ApiError && [401, 403, 404, 410].includes(error.status)) setFaults({ token: t("setup.linkUsed") });
      else setOther(error);
    }
  }
  const input = (name: keyof Fields) => ({ value: fields[name], error: faults[name], onChange: (event: { target: { value: string } }) => (setFields({ ...fields, [name]: event.target.value }), setFaults({ ...faults, [name]: undefined })) });
  return (
    <form onSubmit={(event) => void send(event)} noValidate className="flex max-w-[420px] flex-col gap-4">
      {other === null ? null : <Failed error={other} />}
      {token === "" || faults.token !== undefined ? (
        <SecretField large label={t("setup.token")} help={<Trans i18nKey="setup.tokenHelp" components={{ code: <code className="font-mono" /> }} />} {...input("token")} />
      ) : null}
      <TextField large label={t("setup.name")} autoComplete="name" {...input("name")} />
      <TextField large label={t("login.email")} type="email" autoComplete="username" inputMode="email" {...input("email")} />
      <SecretField large label={t("login.password")} help={t("setup.passwordHelp", { count: SHORTEST })} autoComplete="new-password" {...input("password")} />
      <Button kind="primary" size="large" type="submit" busy={busy ? t("setup.claiming") : false}>
        {t("setup.claim")}
      </Button>
    </form>
  );
}
