/** What is shown this once: a link, a token, codes. Whoever closes without having copied is asked once. */
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { Button } from "@/components/button";
import { useCopied } from "@/components/copy";
import { Dialog, DialogFoot } from "@/components/dialog";
import { StateMark } from "@/components/icon";

interface Props {
  title: ReactNode;
  text: ReactNode;
  secret: string;
  /** The label of the act that copies it. */
  copyLabel: string;
  /** Said where one leaves without it. */
  warning?: string;
  onClose: () => void;
  children?: ReactNode;
}

export function OneTime({ title, text, secret, copyLabel, warning, onClose, children }: Props) {
  const { t } = useTranslation();
  const [copied, copy] = useCopied();
  const [stored, setStored] = useState(false);
  const [asked, setAsked] = useState(false);
  const leave = () => (stored || asked ? onClose() : setAsked(true));
  return (
    <Dialog open onClose={leave} title={title} width={560} focus="[data-copy]">
      <div className="flex flex-wrap items-center gap-2.5 rounded-panel border border-line-strong bg-ai-wash px-4 py-3.5">
        <code data-secret="" className="min-w-0 flex-1 basis-60 font-mono text-ui/5 font-medium break-all whitespace-pre-line">
          {secret}
        </code>
        <Button
          kind="primary"
          data-copy=""
          icon={copied ? "check" : "copy"}
          onClick={() => {
            copy(secret);
            setStored(true);
          }}
        >
          {copied ? t("common.copied") : copyLabel}
        </Button>
      </div>
      <p className="mt-2.5 flex items-baseline gap-2 text-ui text-ink-2">
        <StateMark state="slow" />
        <span>{text}</span>
      </p>
      {children}
      {asked && !stored ? (
        <p role="alert" className="mt-2.5 text-ui text-shu">
          ▲ {warning ?? t("people.notCopied")}
        </p>
      ) : null}
      <DialogFoot>
        <Button onClick={leave}>{asked && !stored ? t("people.closeAnyway") : t("people.haveSent")}</Button>
      </DialogFoot>
    </Dialog>
  );
}
