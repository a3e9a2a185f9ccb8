/** One API: how to call it, what it fills in, who may call it, how it answers now; changing, stopping and deleting it. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { CodeTabs, CopyButton } from "@/components/copy";
import { Drawer } from "@/components/drawer";
import { Switch } from "@/components/field";
import { StateMark } from "@/components/icon";
import { Facts, Failed, Skeleton, Tag } from "@/components/panel";
import { apiMark, callersOf } from "@/features/apis/api-state";
import { DefaultList } from "@/features/apis/default-list";
import { DeleteApi } from "@/features/apis/delete-api";
import { EditApi } from "@/features/apis/edit-api";
import { Trial } from "@/features/apis/trial";
import { countQuery, lastQuery } from "@/features/apis/use";
import { useFormat } from "@/i18n";
import type { Api, Key } from "@/lib/api/types";
import { useSwitchApi } from "@/lib/apis";
import { useMakesKeys } from "@/lib/catalog";
import { gatewayBase, givenKey } from "@/lib/gateway";
import { useMay } from "@/lib/rights";
import { snippets } from "@/lib/snippets";
import { useStatus } from "@/lib/status";

const SHOWN = 8;

interface Props {
  name: string;
  apis: Api[] | undefined;
  failed: unknown;
  keys: Key[] | undefined;
  onClose: () => void;
}

export function ApiDrawer({ name, apis, failed, keys, onClose }: Props) {
  const { t } = useTranslation();
  const may = useMay();
  const [doing, setDoing] = useState<"edit" | "delete" | null>(null);
  const api = apis?.find((each) => each.name === name);
  const mark = api === undefined ? "off" : apiMark(api);
  return (
    <Drawer
      label={t("apis.drawer")}
      onClose={onClose}
      head={
        <>
          <StateMark state={mark} label={t(`apis.state.${api?.state ?? "disabled"}`)} />
          <b className="min-w-0 truncate">{name}</b>
          <CopyButton text={name} label={t("apis.copyName")} />
          <span className="flex-1" />
        </>
      }
      foot={
        api === undefined ? null : (
          <>
            <Link to="/playground" search={{ models: api.name }} className="inline-flex h-8 items-center rounded-control border border-line-strong bg-surface px-3 text-ui font-medium text-ink hover:bg-sunk hover:no-underline max-sm:h-11">
              {t("apis.openPlayground")}
            </Link>
            {may("catalog.write") ? (
              <>
                <Button onClick={() => setDoing("edit")}>{t("apis.edit")}</Button>
                <span className="flex-1" />
                <Button kind="danger" onClick={() => setDoing("delete")}>
                  {t("apis.delete")}
                </Button>
              </>
            ) : null}
          </>
        )
      }
    >
      {api === undefined ? (
        failed !== null ? (
          <Failed error={failed} />
        ) : apis === undefined ? (
          <Skeleton className="h-40" />
        ) : (
          <p className="text-ui text-ink-2">{t("error.nothingHere")}</p>
        )
      ) : (
        <Told api={api} keys={keys} />
      )}
      {doing === "edit" && api !== undefined ? <EditApi api={api} onClose={() => setDoing(null)} /> : null}
      {doing === "delete" && api !== undefined ? (
        <DeleteApi
          api={api}
          keys={keys ?? []}
          onClose={() => setDoing(null)}
          onGone={() => {
            setDoing(null);
            onClose();
          }}
        />
      ) : null}
    </Drawer>
  );
}

function Told({ api, keys }: { api: Api; keys: Key[] | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const may = useMay();
  const switching = useSwitchApi();
  const count = useQuery(countQuery(api.name));
  const failed = useQuery(countQuery(api.name, "failed"));
  const last = useQuery(lastQuery(api.name));
  const keyless = useMakesKeys() === false && givenKey() === "";
  const base = `${gatewayBase(useStatus().data?.ports.gateway)}/v1`;
  const { named, unbounded } = callersOf(api.name, keys ?? []);
  const share = count.data === undefined || failed.data === undefined || count.data.count === 0 || !count.data.exact ? "–" : format.percent(failed.data.count / count.data.count);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h2 className="text-title font-semibold [overflow-wrap:anywhere]">{t(`apis.said.${api.state}`, { name: api.title === "" ? api.name : api.title, target: api.target })}</h2>
          {api.description === "" ? null : <p className="text-body text-ink-2">{api.description}</p>}
          <p className="text-cap text-ink-3">{t("keys.madeAt", { time: format.date(new Date(api.created_at)) })}</p>
        </div>
        {may("catalog.write") ? <Switch label={t("apis.switch", { name: api.name })} checked={api.enabled} onChange={(enabled) => switching.mutate({ name: api.name, enabled })} /> : null}
      </div>
      {api.reason === null ? null : (
        <p role="alert" className="flex items-baseline gap-2 rounded-panel bg-shu-wash px-3 py-2 text-ui text-shu">
          <StateMark state="failed" />
          <span>
            {api.reason} {t("apis.brokenHelp")}
          </span>
        </p>
      )}
      {count.isError ? (
        <Failed error={count.error} again={() => void count.refetch()} />
      ) : (
        <Facts
          facts={[
            { name: t("keys.calls24"), value: count.data === undefined ? "…" : `${format.count(count.data.count)}${count.data.exact ? "" : "+"}` },
            { name: t("metric.failed"), value: share },
            { name: t("keys.lastUsed"), value: last.data == null ? "–" : format.relative(new Date(last.data.started_at)) },
            { name: t("nav.keys"), value: keys === undefined ? "–" : format.count(named.length + unbounded.length) },
          ]}
        />
      )}
      <section>
        <h3 className="mb-1.5 text-ui font-semibold">{t("apis.howTo")}</h3>
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-4 rounded-panel border border-line py-0.5 pl-3 text-ui">
          {[
            [t("apis.baseUrl"), base],
            [t("word.model"), api.name],
          ].map(([label, text]) => (
            <div key={label} className="col-span-2 grid grid-cols-subgrid items-center not-first:border-t not-first:border-line">
              <dt className="text-ink-3">{label}</dt>
              <dd className="flex min-w-0 items-center gap-1 pr-1">
                <code className="min-w-0 flex-1 truncate font-mono" title={text}>
                  {text}
                </code>
                <CopyButton text={text ?? ""} label={label === t("apis.baseUrl") ? t("apis.copyBase") : t("apis.copyName")} />
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <section>
        <h3 className="mb-1.5 text-ui font-semibold">{t("apis.test")}</h3>
        <Trial name={api.name} off={api.state !== "ready" ? t("apis.testOff") : keyless ? t("apis.testNeedsKey") : undefined} />
      </section>
      <section>
        <h3 className="mb-1 text-ui font-semibold">
          {t("apis.defaults")} <span className="ml-1 text-cap font-normal text-ink-3">{t("apis.defaultsWhat")}</span>
        </h3>
        <DefaultList defaults={api.defaults} />
      </section>
      {may("keys.read") ? <Callers api={api} keys={keys} /> : null}
      <section>
        <h3 className="mb-1.5 text-ui font-semibold">{t("apis.fromProgram")}</h3>
        <CodeTabs small codes={snippets(base.replace(/\/v1$/, ""), { model: api.name, messages: [{ role: "user", content: t("playground.example") }], stream: true })} />
      </section>
      <Link to="/calls/{-$callId}" params={{ callId: undefined }} search={{ api: api.name, last: "24h" }}>
        {t("apis.itsCalls")}
      </Link>
    </div>
  );
}

function Callers({ api, keys }: { api: Api; keys: Key[] | undefined }) {
  const { t } = useTranslation();
  const { named, unbounded } = callersOf(api.name, keys ?? []);
  const all = [...named, ...unbounded];
  return (
    <section>
      <h3 className="mb-1 flex gap-2 text-ui font-semibold">
        {t("nav.keys")} <span className="font-normal text-ink-3">{keys === undefined ? "" : all.length}</span>
      </h3>
      {keys === undefined ? (
        <Skeleton className="h-5" />
      ) : all.length === 0 ? (
        <p className="text-ui text-ink-3">{t("apis.noKeys")}</p>
      ) : (
        <ul>
          {all.slice(0, SHOWN).map((key) => (
            <li key={key.id} className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line py-1 text-ui last:border-0">
              <Link to="/keys/{-$keyId}" params={{ keyId: key.id }} className="min-w-0 truncate">
                {key.label}
              </Link>
              <span className="text-cap text-ink-3">{key.project}</span>
              <span className="ml-auto">{key.models === null ? <span className="text-cap text-ink-3">{t("keys.allModels")}</span> : <Tag tone="ai">{key.models.length === 1 ? t("apis.onlyThis") : t("apis.withOthers", { count: key.models.length - 1 })}</Tag>}</span>
            </li>
          ))}
        </ul>
      )}
      {all.length > SHOWN ? (
        <p className="mt-1 text-cap text-ink-3">
          {t("apis.moreKeys", { count: all.length - SHOWN })} <Link to="/keys/{-$keyId}" params={{ keyId: undefined }}>{t("nav.keys")}</Link>
        </p>
      ) : null}
    </section>
  );
}
