/** May I come in? */
import { useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Door } from "@/features/auth/door";
import { LoginForm } from "@/features/auth/login-form";
import { auth } from "@/lib/api/contract";

/** Only addresses of the console itself are gone to after the login. */
export function safeNext(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])/.test(next) ? next : "/";
}

export function Login() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { next } = useSearch({ from: "/login" });
  const setup = useQuery({ queryKey: ["setup"], queryFn: auth.setup, retry: false });
  useEffect(() => {
    document.title = `${t("login.title")} · Sekisho`;
  }, [t]);
  if (setup.data?.claimed === false) return <Navigate to="/setup" replace />;
  return (
    <Door
      title={t("login.welcome")}
      text={t("login.where", { host: location.host })}
      foot={<span className="ml-auto">{location.protocol === "https:" ? t("login.encrypted") : t("login.notEncrypted")}</span>}
    >
      <div className="m-auto w-full max-w-[380px] py-8">
        <h2 className="mb-5 text-[22px]/[32px] font-semibold">{t("login.title")}</h2>
        <LoginForm onDone={() => void navigate({ href: safeNext(next), replace: true })} />
        <p className="mt-6 text-cap/[20px] text-ink-3">
          <Trans i18nKey="login.forgotten" components={{ code: <code className="font-mono" /> }} />
        </p>
      </div>
    </Door>
  );
}
