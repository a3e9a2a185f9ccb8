/** Buttons are verbs. While its act runs, a button says so at once, keeps its width and ignores a second click. */
import type { ComponentProps, ReactNode } from "react";

import { Icon, type IconName } from "@/components/icon";

type Kind = "plain" | "primary" | "quiet" | "danger" | "danger-filled";

const kinds: Record<Kind, string> = {
  plain: "border-line-strong bg-surface text-ink font-medium hover:bg-sunk",
  primary: "border-ai bg-ai text-on-ai font-semibold hover:bg-ai-strong hover:border-ai-strong",
  quiet: "border-transparent bg-transparent text-ai font-medium hover:bg-ai-wash",
  danger: "border-shu bg-surface text-shu font-medium hover:bg-shu-wash",
  "danger-filled": "border-shu bg-shu text-surface font-semibold hover:opacity-90 dark:text-paper",
};

export interface ButtonProps extends Omit<ComponentProps<"button">, "children"> {
  kind?: Kind;
  size?: "normal" | "small" | "large";
  icon?: IconName;
  /** The act as it runs ("Creating…"); its presence means that it does. */
  busy?: string | false;
  children?: ReactNode;
}

const sizes = {
  normal: "h-8 px-3 text-ui rounded-control max-sm:h-11",
  small: "h-[26px] px-[9px] text-cap rounded-[5px] max-sm:h-11 max-sm:px-3",
  large: "h-11 px-4 text-[15px] rounded-panel",
};

export function Button({ kind = "plain", size = "normal", icon, busy = false, children, className = "", onClick, disabled, type = "button", ...rest }: ButtonProps) {
  const square = children === undefined ? (size === "small" ? "w-[26px] !px-0 max-sm:w-11" : "w-8 !px-0 max-sm:w-11") : "";
  return (
    <button
      type={type}
      className={`inline-grid shrink-0 items-center justify-center border whitespace-nowrap transition-colors duration-80 select-none disabled:cursor-not-allowed disabled:opacity-55 ${kinds[kind]} ${sizes[size]} ${square} ${className}`}
      aria-disabled={busy !== false || undefined}
      aria-busy={busy !== false || undefined}
      disabled={disabled}
      onClick={(event) => {
        if (busy !== false) event.preventDefault();
        else onClick?.(event);
      }}
      {...rest}
    >
      <span className={`col-start-1 row-start-1 inline-flex items-center justify-center gap-1.5 ${busy === false ? "" : "invisible"}`}>
        {icon === undefined ? null : <Icon name={icon} size={size === "small" ? 13 : 15} />}
        {children}
      </span>
      {busy === false ? null : <span className="col-start-1 row-start-1 text-center">{busy}</span>}
    </button>
  );
}
