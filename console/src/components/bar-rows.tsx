/** Who, and how much: rows with a bar behind the name, sorted; each is a door to the calls behind it. */
import { Link } from "@tanstack/react-router";

export interface BarRow {
  name: string;
  share: number;
  first: string;
  second: string;
  rest?: boolean;
  /** Filters of the calls behind the row. */
  search?: Record<string, string>;
}

export function BarRows({ rows, heads }: { rows: BarRow[]; heads: [string, string] }) {
  const columns = "grid grid-cols-[minmax(0,1fr)_60px_68px] items-center gap-2 px-3.5";
  return (
    <div className="pb-3">
      <div className={`${columns} pb-0.5 text-axis text-ink-3`}>
        <span />
        <span className="text-right">{heads[0]}</span>
        <span className="text-right">{heads[1]}</span>
      </div>
      {rows.map((row) => {
        const inner = (
          <>
            <span className="relative flex h-[21px] min-w-0 items-center">
              <i className={`absolute inset-y-0 left-0 rounded-bar ${row.rest === true ? "bg-sunk" : "bg-bar"}`} style={{ width: `${Math.max(row.share * 100, 1.5)}%` }} />
              <span className={`relative min-w-0 truncate px-1.5 ${row.rest === true ? "text-ink-3" : ""}`} title={row.name}>
                {row.name}
              </span>
            </span>
            <span className={`text-right ${row.rest === true ? "text-ink-3" : ""}`}>{row.first}</span>
            <span className="text-right text-ink-2">{row.second}</span>
          </>
        );
        const look = `${columns} h-[25px] text-ui text-ink max-sm:h-11`;
        return row.search === undefined ? (
          <div key={row.name} className={look}>
            {inner}
          </div>
        ) : (
          <Link key={row.name} to="/calls/{-$callId}" params={{ callId: undefined }} search={row.search} className={`${look} hover:bg-sunk hover:no-underline`}>
            {inner}
          </Link>
        );
      })}
    </div>
  );
}
