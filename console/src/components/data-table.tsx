/**
 * A list of any length: only the rows in sight are drawn, the next page is asked for two screens before the end.
 * Columns drop out by width and beside a drawer; on a telephone a row has two lines.
 */
import { type ColumnDef, getCoreRowModel, useReactTable, type VisibilityState } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useEffect, useMemo, useRef, useSyncExternalStore } from "react";

export interface Column<Row> {
  id: string;
  head: ReactNode;
  cell: (row: Row) => ReactNode;
  /** A track of the grid. */
  width: string;
  right?: boolean;
  /** The narrowest window that shows it. */
  from?: "md" | "lg";
  hideWithDrawer?: boolean;
}

interface Props<Row> {
  label: string;
  rows: Row[];
  columns: Column<Row>[];
  rowHeight?: number;
  idOf: (row: Row) => string;
  selected?: string | undefined;
  drawerOpen?: boolean;
  onOpen: (row: Row, element: HTMLElement) => void;
  onEnd?: () => void;
  /** Tells whether the reader stands at the very top. */
  onTop?: (top: boolean) => void;
  phone: (row: Row) => ReactNode;
  foot?: ReactNode;
}

function useWidth(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", changed);
      return () => list.removeEventListener("change", changed);
    },
    () => window.matchMedia(query).matches,
  );
}

export function DataTable<Row>({ label, rows, columns, rowHeight = 32, idOf, selected, drawerOpen = false, onOpen, onEnd, onTop, phone, foot }: Props<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const telephone = useWidth("(max-width: 719.9px)");
  const middle = useWidth("(min-width: 1100px)");
  const large = useWidth("(min-width: 1440px)");
  /** Beside the drawer there is room for all columns only here. */
  const wide = useWidth("(min-width: 1920px)");
  const narrowed = drawerOpen && !wide;
  const columnVisibility: VisibilityState = useMemo(
    () => Object.fromEntries(columns.map((column) => [column.id, (column.from === undefined || (column.from === "md" ? middle : large)) && !(narrowed && column.hideWithDrawer === true) && !(narrowed && column.from === "lg")])),
    [columns, middle, large, narrowed],
  );
  const definitions: ColumnDef<Row>[] = useMemo(() => columns.map((column) => ({ id: column.id, header: () => column.head, cell: (context) => column.cell(context.row.original) })), [columns]);
  const table = useReactTable({ data: rows, columns: definitions, state: { columnVisibility }, getCoreRowModel: getCoreRowModel(), getRowId: idOf });
  const visible = useMemo(() => columns.filter((column) => columnVisibility[column.id] === true), [columns, columnVisibility]);
  const tracks = visible.map((column) => column.width).join(" ");
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({ count: model.length, getScrollElement: () => scroller.current, estimateSize: () => (telephone ? 56 : rowHeight), overscan: 12, getItemKey: (place) => model[place]?.id ?? place });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? 0;

  useEffect(() => {
    if (onEnd !== undefined && model.length > 0 && lastSeen >= model.length - 60) onEnd();
  }, [lastSeen, model.length, onEnd]);

  useEffect(() => {
    virtual.measure();
  }, [telephone, rowHeight, virtual]);

  useEffect(() => {
    const place = model.findIndex((row) => row.id === selected);
    if (place >= 0) virtual.scrollToIndex(place, { align: "auto" });
    // Only a change of the selection scrolls; rows that arrive must not.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected]);

  return (
    <div
      ref={scroller}
      role="table"
      aria-label={label}
      aria-rowcount={rows.length}
      className="min-h-0 flex-1 overflow-auto bg-surface"
      tabIndex={0}
      onScroll={(event) => onTop?.(event.currentTarget.scrollTop < 8)}
    >
      {telephone ? null : (
        <div role="rowgroup" className="sticky top-0 z-10 bg-surface">
          <div role="row" className="grid h-8 border-b border-line text-cap text-ink-3" style={{ gridTemplateColumns: tracks }}>
            {visible.map((column) => (
              <div role="columnheader" key={column.id} className={`${cells(column.right)} whitespace-nowrap`}>
                {column.head}
              </div>
            ))}
          </div>
        </div>
      )}
      <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = model[item.index];
          if (row === undefined) return null;
          return (
            <Line
              key={row.id}
              row={row.original}
              place={item.index}
              start={item.start}
              size={item.size}
              chosen={row.id === selected}
              columns={visible as Column<unknown>[]}
              tracks={telephone ? undefined : tracks}
              phone={telephone ? (phone as (row: unknown) => ReactNode) : undefined}
              onOpen={onOpen as (row: unknown, element: HTMLElement) => void}
            />
          );
        })}
      </div>
      {foot}
    </div>
  );
}

const cells = (right: boolean | undefined) => `flex min-w-0 items-center px-2.5 first:pl-4 last:pr-4 sm:first:pl-6 sm:last:pr-6 ${right === true ? "justify-end text-right" : ""}`;

interface LineProps {
  row: unknown;
  place: number;
  start: number;
  size: number;
  chosen: boolean;
  columns: Column<unknown>[];
  tracks: string | undefined;
  phone: ((row: unknown) => ReactNode) | undefined;
  onOpen: (row: unknown, element: HTMLElement) => void;
}

/** While one scrolls only the rows that come into sight are drawn; those in sight stay as they are. */
const Line = memo(function Line({ row, place, start, size, chosen, columns, tracks, phone, onOpen }: LineProps) {
  return (
    <div
      role="row"
      aria-rowindex={place + 1}
      aria-selected={chosen}
      tabIndex={0}
      onClick={(event) => onOpen(row, event.currentTarget)}
      onKeyDown={(event) => (event.key === "Enter" && event.target === event.currentTarget ? onOpen(row, event.currentTarget) : undefined)}
      className={`absolute inset-x-0 cursor-pointer border-b border-line text-ui outline-offset-[-2px] ${phone === undefined ? "grid" : "flex flex-col justify-center px-4"} ${chosen ? "bg-ai-wash shadow-[inset_2px_0_0_var(--ai)]" : "hover:bg-sunk"}`}
      style={{ height: size, transform: `translateY(${start}px)`, gridTemplateColumns: tracks }}
    >
      {phone === undefined ? (
        columns.map((column) => (
          <div role="cell" key={column.id} className={cells(column.right)}>
            <span className="min-w-0 truncate">{column.cell(row)}</span>
          </div>
        ))
      ) : (
        <div role="cell">{phone(row)}</div>
      )}
    </div>
  );
});
