/** May I come in? */
import { useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Door } from "@/features/auth/door";
import { LoginForm } from "@/features/auth/login-form";
import { auth } from "@/lib/api/contract";
import { expectIn } from "@/lib/session";

/** Only addresses of the console itself are gone to after the login. */
export function safeNext(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])/.test(next) ? next : "/";
}

export function Login() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { next, error } = useSearch({ from: "/login" });
  const setup = useQuery({ queryKey: ["setup"], queryFn: auth.setup, retry: false });
  const ways = useQuery({ queryKey: ["ways-in"], queryFn: auth.ways, retry: false }).data ?? [];
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
        {error === undefined ? null : (
          <p role="alert" className="mb-4 rounded-panel bg-shu-wash px-3.5 py-2 text-ui text-shu">
            ▲ {t("login.failed.other", { reason: error })}
          </p>
        )}
        <LoginForm onDone={() => void navigate({ href: safeNext(next), replace: true })} />
        {ways.length === 0 ? null : (
          <div className="mt-4 flex flex-col gap-2">
            <p className="text-center text-cap text-ink-3">{t("login.or")}</p>
            {ways.map((way) => (
              <a key={way.name} href={way.start} onClick={expectIn} className="grid h-11 place-items-center rounded-panel border border-line-strong bg-surface text-[15px] font-medium text-ink hover:bg-sunk hover:no-underline">
                {way.title}
              </a>
            ))}
          </div>
        )}
        <p className="mt-6 text-cap/[20px] text-ink-3">
          <Trans i18nKey="login.forgotten" components={{ code: <code className="font-mono" /> }} />
        </p>
      </div>
    </Door>
  );
}
