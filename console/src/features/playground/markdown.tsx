/**
 * What a model wrote, as elements of ours. The text is cut into tokens and each kind that we know is drawn; raw HTML is shown as text,
 * images are not loaded, links show their host and open only when one clicks. Nothing is ever parsed as HTML.
 */
import { lexer, type Token, type Tokens } from "marked";
import { Fragment, memo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "@/components/copy";

/** The host of a web address; null for anything that a browser would run or resolve by itself. */
export function safeHost(address: string): string | null {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.host : null;
  } catch {
    return null;
  }
}

function Anchor({ address, children }: { address: string; children: ReactNode }) {
  const host = safeHost(address);
  if (host === null) return <>{children}</>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow ugc">
      {children} <small className="text-ink-3">({host})</small>
    </a>
  );
}

function NoImage({ alt, address }: { alt: string; address: string }) {
  const { t } = useTranslation();
  return (
    <span className="rounded-tag bg-sunk px-1.5 text-ui text-ink-2">
      {t("playground.imageNotLoaded", { alt: alt || "–", host: safeHost(address) ?? "?" })}
    </span>
  );
}

/** Entities that the lexer leaves; everything else is text already. */
function plain(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" })[name] ?? "");
}

function inline(tokens: Token[] | undefined): ReactNode {
  return (tokens ?? []).map((token, place) => {
    switch (token.type) {
      case "strong":
        return <strong key={place}>{inline((token as Tokens.Strong).tokens)}</strong>;
      case "em":
        return <em key={place}>{inline((token as Tokens.Em).tokens)}</em>;
      case "del":
        return <del key={place}>{inline((token as Tokens.Del).tokens)}</del>;
      case "codespan":
        return (
          <code key={place} className="rounded-tag bg-sunk px-1 font-mono">
            {plain((token as Tokens.Codespan).text)}
          </code>
        );
      case "br":
        return <br key={place} />;
      case "link":
        return (
          <Anchor key={place} address={(token as Tokens.Link).href}>
            {inline((token as Tokens.Link).tokens)}
          </Anchor>
        );
      case "image":
        return <NoImage key={place} alt={(token as Tokens.Image).text} address={(token as Tokens.Image).href} />;
      case "text": {
        const text = token as Tokens.Text;
        return <Fragment key={place}>{text.tokens === undefined ? plain(text.text) : inline(text.tokens)}</Fragment>;
      }
      case "escape":
        return <Fragment key={place}>{(token as Tokens.Escape).text}</Fragment>;
      default:
        return <Fragment key={place}>{token.raw}</Fragment>;
    }
  });
}

function Block({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return <p className="font-semibold">{inline((token as Tokens.Heading).tokens)}</p>;
    case "paragraph":
      return <p>{inline((token as Tokens.Paragraph).tokens)}</p>;
    case "blockquote":
      return <blockquote className="border-l border-line-strong pl-3 text-ink-2">{blocks((token as Tokens.Blockquote).tokens)}</blockquote>;
    case "hr":
      return <hr className="border-line" />;
    case "code": {
      const { text, lang } = token as Tokens.Code;
      return (
        <div className="overflow-hidden rounded-panel border border-line bg-sunk">
          <div className="flex items-center border-b border-line pl-3 text-cap text-ink-3">
            <span className="flex-1">{lang ?? ""}</span>
            <CopyButton text={text} />
          </div>
          <pre tabIndex={0} className="overflow-x-auto px-3 py-2 font-mono text-[12.5px]/[19px] whitespace-pre">
            {text}
          </pre>
        </div>
      );
    }
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item, place) => <li key={place}>{blocks(item.tokens)}</li>);
      return list.ordered ? (
        <ol start={list.start === "" ? 1 : list.start} className="list-decimal pl-5">
          {items}
        </ol>
      ) : (
        <ul className="list-disc pl-5">{items}</ul>
      );
    }
    case "table": {
      const table = token as Tokens.Table;
      return (
        <div className="overflow-x-auto" tabIndex={0} role="group">
          <table className="text-ui">
            <thead>
              <tr>
                {table.header.map((cell, place) => (
                  <th key={place} className="border-b border-line-strong px-2 py-1 text-left font-semibold">
                    {inline(cell.tokens)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, at) => (
                <tr key={at}>
                  {row.map((cell, place) => (
                    <td key={place} className="border-b border-line px-2 py-1">
                      {inline(cell.tokens)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    }
    case "text": {
      const text = token as Tokens.Text;
      return text.tokens === undefined ? plain(text.text) : inline(text.tokens);
    }
    default:
      return <p className="whitespace-pre-wrap">{token.raw}</p>;
  }
}

function blocks(tokens: Token[]): ReactNode {
  return tokens.map((token, place) => <Block key={place} token={token} />);
}

/** A finished answer is drawn once. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return <div className="flex flex-col gap-2.5 text-body [overflow-wrap:anywhere] [:lang(ja)_&]:leading-6">{blocks(lexer(text, { gfm: true }))}</div>;
});
