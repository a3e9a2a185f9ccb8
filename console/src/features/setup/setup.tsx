/** How do I get to a first call? Four steps: owner, provider, key, call. What is done folds to one line. */
import { useQuery } from "@tanstack/react-query";
import { Link, Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CodeTabs, useCopied } from "@/components/copy";
import { Icon } from "@/components/icon";
import { Failed, Skeleton } from "@/components/panel";
import { Door } from "@/features/auth/door";
import { ClaimForm } from "@/features/setup/claim-form";
import { FirstCall } from "@/features/setup/first-call";
import { ProviderForm } from "@/features/providers/provider-form";
import { auth, type Me } from "@/lib/api/contract";
import { request } from "@/lib/api/request";
import type { KeyCreated } from "@/lib/api/types";
import { modelsQuery, providersQuery } from "@/lib/catalog";
import { gatewayBase } from "@/lib/gateway";
import { live } from "@/lib/live";
import { queryClient } from "@/lib/query";
import { cameIn } from "@/lib/session";
import { snippets } from "@/lib/snippets";
import { useStatus } from "@/lib/status";

/** The one-time word of the printed link; read once, then gone from the address. */
function takeToken(search: string | undefined): string {
  return search ?? window.location.hash.replace(/^#(token=)?/, "");
}

export function Setup() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const search = useSearch({ from: "/setup" });
  const [token, setToken] = useState(() => takeToken(search.token));
  const [me, setMe] = useState<Me | null>(null);
  const [provided, setProvided] = useState<{ text: string } | null>(null);
  const [key, setKey] = useState<KeyCreated | null>(null);
  const setup = useQuery({ queryKey: ["setup"], queryFn: auth.setup, retry: 1 });

  useEffect(() => {
    document.title = `${t("setup.title")} · Sekisho`;
  }, [t]);
  useEffect(() => {
    if (token !== "") window.history.replaceState(window.history.state, "", "/setup");
  }, [token]);
  // The link may be opened where this page is open already; then only the part behind # changes.
  useEffect(() => {
    const changed = () => (window.location.hash === "" ? undefined : setToken(takeToken(undefined)));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    if (me === null) return;
    live.start();
    return () => live.stop();
  }, [me]);

  if (setup.data?.claimed === true && me === null) return <Navigate to="/login" replace />;
  const step = me === null ? 1 : provided === null ? 2 : key === null ? 3 : 4;
  const lines = t(step === 1 ? "setup.hello" : step === 4 ? "setup.oneLeft" : "setup.threeLeft");
  return (
    <Door
      title={lines}
      text={t("setup.motto")}
      foot={
        <>
          <span>{t("setup.later")}</span>
          {step === 4 ? (
            <Button kind="primary" onClick={() => void navigate({ to: "/" })}>
              {t("setup.openOverview")}
            </Button>
          ) : null}
        </>
      }
    >
      {setup.isError ? <Failed error={setup.error} again={() => void setup.refetch()} /> : null}
      <ol className="mt-2 flex max-w-[900px] flex-col">
        <Step number={1} step={step} title={t("setup.owner")} done={me === null ? "" : t("setup.ownerDone", { name: me.user.name, email: me.user.email })}>
          <ClaimForm
            token={token}
            onDone={(claimed) => {
              cameIn(claimed);
              queryClient.setQueryData(["setup"], { claimed: true });
              setMe(claimed);
            }}
          />
        </Step>
        <Step number={2} step={step} title={t("setup.provider")} done={provided?.text ?? ""}>
          <ProviderStep onDone={(text) => setProvided({ text })} />
        </Step>
        <Step number={3} step={step} title={t("setup.key")} done="" open={key !== null}>
          {key === null ? <KeyStep onDone={setKey} /> : <KeyShown plainKey={key.plain_key} />}
        </Step>
        <Step number={4} step={step} title={t("setup.call")} done="">
          {key === null ? null : <CallStep keyMade={key} />}
        </Step>
      </ol>
    </Door>
  );
}

function Step({ number, step, title, done, open = false, children }: { number: number; step: number; title: string; done: string; open?: boolean; children: ReactNode }) {
  const { t } = useTranslation();
  const state = number < step ? "done" : number === step ? "now" : "later";
  const mark = { done: "bg-roku-wash text-roku", now: "bg-ai text-on-ai", later: "border border-line-strong bg-surface text-ink-3" }[state];
  return (
    <li aria-current={state === "now" ? "step" : undefined} className="relative grid grid-cols-[32px_minmax(0,1fr)] gap-x-3.5 pb-4 not-last:before:absolute not-last:before:top-[36px] not-last:before:-bottom-0.5 not-last:before:left-[15px] not-last:before:w-px not-last:before:bg-line">
      <span className={`grid size-[31px] place-items-center rounded-full text-ui font-semibold ${mark}`}>{state === "done" ? <Icon name="check" label={t("setup.done")} /> : number}</span>
      <div className="min-w-0">
        <h2 className={`text-[15px]/[31px] font-semibold ${state === "later" ? "text-ink-3" : ""}`}>{title}</h2>
        {state === "done" && done !== "" ? <p className="text-ui/[22px] text-ink-2">{done}</p> : null}
        {state === "now" || open ? <div className="mt-1.5 animate-appear">{children}</div> : null}
      </div>
    </li>
  );
}

/** Engines that were found are ready; a cloud provider can be added; else the sandbox will do for a first call. */
function ProviderStep({ onDone }: { onDone: (text: string) => void }) {
  const { t } = useTranslation();
  const [adding, setAdding] = useState(false);
  const providers = useQuery(providersQuery);
  const models = useQuery(modelsQuery);
  if (providers.isPending || models.isPending) return <Skeleton className="h-16" />;
  if (providers.isError) return <Failed error={providers.error} again={() => void providers.refetch()} />;
  const own = (models.data?.models ?? []).filter((model) => model.provider !== "sandbox");
  const names = [...new Set(own.map((model) => model.provider))];
  if (adding)
    return (
      <div className="max-w-[480px] rounded-panel border border-line bg-surface p-4">
        <ProviderForm onCancel={() => setAdding(false)} onDone={(made) => onDone(t("setup.providerAdded", { name: made.name, count: made.models.length }))} />
      </div>
    );
  return (
    <div className="flex flex-col items-start gap-3">
      <p className="text-ui/[22px] text-ink-2">{names.length > 0 ? t("setup.found", { names: names.join(", "), count: own.length }) : t("setup.foundNone")}</p>
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" onClick={() => onDone(names.length > 0 ? t("setup.found", { names: names.join(", "), count: own.length }) : t("setup.withSandbox"))}>
          {names.length > 0 ? t("setup.useFound") : t("setup.useSandbox")}
        </Button>
        <Button onClick={() => setAdding(true)}>{t("setup.addCloud")}</Button>
      </div>
    </div>
  );
}

function KeyStep({ onDone }: { onDone: (key: KeyCreated) => void }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>(null);
  async function make() {
    setBusy(true);
    setFault(null);
    try {
      onDone(await request<KeyCreated>("POST", "/api/keys", { body: { label: t("setup.keyName") } }));
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  }
  return (
    <div className="flex flex-col items-start gap-3">
      <p className="text-ui/[22px] text-ink-2">{t("setup.keyWhat")}</p>
      {fault === null ? null : <Failed error={fault} />}
      <Button kind="primary" busy={busy ? t("keys.creating") : false} onClick={() => void make()}>
        {t("keys.create")}
      </Button>
    </div>
  );
}

function KeyShown({ plainKey }: { plainKey: string }) {
  const { t } = useTranslation();
  const [copied, copy] = useCopied();
  return (
    <>
      <div className="flex flex-wrap items-center gap-2.5 rounded-panel border border-line bg-ai-wash px-3 py-2 text-ui">
        <code data-secret="" className="min-w-0 flex-1 basis-60 font-mono break-all">
          {plainKey}
        </code>
        <Button size="small" icon={copied ? "check" : "copy"} onClick={() => copy(plainKey)}>
          {copied ? t("common.copied") : t("common.copy")}
        </Button>
      </div>
      <p className="mt-1.5 text-ui/[22px] text-ink-2">{t("setup.once")}</p>
    </>
  );
}

function CallStep({ keyMade }: { keyMade: KeyCreated }) {
  const { t } = useTranslation();
  const port = useStatus().data?.ports.gateway;
  const models = useQuery(modelsQuery).data?.models ?? [];
  const base = gatewayBase(port);
  const chat = models.filter((model) => model.capabilities.map(String).includes("chat")).map((model) => model.id);
  return (
    <div className="flex flex-col gap-3">
      <FirstCall plainKey={keyMade.plain_key} models={chat} />
      <CodeTabs codes={snippets(base, { model: chat.find((id) => !id.startsWith("sandbox/")) ?? "sandbox/echo", messages: [{ role: "user", content: t("setup.question") }] })} />
      <p className="text-cap text-ink-3">
        <Link to="/playground">{t("nav.playground")}</Link> · <Link to="/keys/{-$keyId}" params={{ keyId: undefined }}>{t("nav.keys")}</Link>
      </p>
    </div>
  );
}
