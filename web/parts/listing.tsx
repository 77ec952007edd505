import { ActionIcon, Checkbox, Group, Skeleton } from '@mantine/core';
import { IconChevronLeft, IconChevronRight } from './icons.ts';
import {
  createColumnHelper,
  rowSelectionFeature,
  tableFeatures,
  useTable,
  type ColumnDef,
  type RowData,
  type RowSelectionState,
} from '@tanstack/react-table';
import type { KeyboardEvent, MouseEvent, ReactNode } from 'react';

const features = tableFeatures({ rowSelectionFeature });
type Features = typeof features;
export type Columns<T extends RowData> = readonly ColumnDef<Features, T>[];
export const columnsOf = <T extends RowData>() => createColumnHelper<Features, T>();
export type Chosen = RowSelectionState;

interface ListingProps<T extends RowData> {
  readonly label: string;
  readonly columns: Columns<T>;
  /** Undefined while the first answer is awaited: rows of the same height hold its place. */
  readonly rows: readonly T[] | undefined;
  readonly rowId: (row: T) => string;
  readonly rowName?: (row: T) => string;
  readonly open?: (row: T) => void;
  readonly chosen?: Chosen;
  readonly choose?: (chosen: Chosen) => void;
  readonly empty: ReactNode;
  readonly foot?: ReactNode;
  /** Rows of the place holder. */
  readonly expect?: number;
}

const nothing: never[] = [];
/** Which columns stand to the right or have a width of their own. */
interface Look {
  readonly right?: boolean;
  readonly width?: number | string;
  /** It has buttons: they stay in sight where the list is wider than the screen. */
  readonly acts?: boolean;
}
const lookOf = (meta: unknown): Look => (meta as Look | undefined) ?? {};
const classOf = ({ right, acts }: Look): string | undefined =>
  [right && 'right num', acts && 'acts'].filter(Boolean).join(' ') || undefined;

/** A list: columns by TanStack Table, rows that can be opened by click or Enter, and chosen. */
export function Listing<T extends RowData>(props: ListingProps<T>) {
  const { columns, rows, rowId, chosen, choose, open } = props;
  const table = useTable({
    features,
    columns: columns,
    data: rows ?? nothing,
    getRowId: (row) => rowId(row),
    enableRowSelection: choose !== undefined,
    state: { rowSelection: chosen ?? {} },
    onRowSelectionChange: (update) => choose?.(typeof update === 'function' ? update(chosen ?? {}) : update),
  });
  const models = table.getRowModel().rows;
  const width = columns.length + (choose ? 1 : 0);
  const inert = (event: MouseEvent | KeyboardEvent) =>
    event.target instanceof Element && event.target.closest('a, button, input, label, [data-inert]') !== null;
  return (
    <div className="listing">
      <div className="listing-scroll">
        <table aria-label={props.label} aria-busy={rows === undefined}>
          <thead>
            {table.getHeaderGroups().map((group) => (
              <tr key={group.id}>
                {choose && (
                  <th className="check" scope="col">
                    <Checkbox
                      size="xs"
                      aria-label="Choose all on this page"
                      disabled={models.length === 0}
                      checked={models.length > 0 && table.getIsAllRowsSelected()}
                      indeterminate={table.getIsSomeRowsSelected() && !table.getIsAllRowsSelected()}
                      onChange={table.getToggleAllRowsSelectedHandler()}
                    />
                  </th>
                )}
                {group.headers.map((header) => {
                  const look = lookOf(header.column.columnDef.meta);
                  return (
                    <th
                      key={header.id}
                      scope="col"
                      className={classOf(look)}
                      {...(look.width === undefined ? {} : { style: { width: look.width } })}
                    >
                      <table.FlexRender header={header} />
                    </th>
                  );
                })}
              </tr>
            ))}
          </thead>
          <tbody>
            {rows === undefined &&
              Array.from({ length: props.expect ?? 8 }, (_, index) => (
                <tr key={index} aria-hidden>
                  {Array.from({ length: width }, (_, cell) => (
                    <td key={cell} {...(choose && cell === 0 ? { className: 'check' } : {})}>
                      <Skeleton
                        height={12}
                        width={choose && cell === 0 ? 16 : `${45 + ((index * 7 + cell * 13) % 40)}%`}
                      />
                    </td>
                  ))}
                </tr>
              ))}
            {rows?.length === 0 && (
              <tr>
                <td colSpan={width} className="empty">
                  {props.empty}
                </td>
              </tr>
            )}
            {models.map((row) => (
              <tr
                key={row.id}
                {...(open ? { 'data-opens': true } : {})}
                {...(row.getIsSelected() ? { 'data-chosen': true } : {})}
                onClick={(event) => {
                  if (open && !inert(event) && !getSelection()?.toString()) open(row.original);
                }}
              >
                {choose && (
                  <td className="check">
                    <Checkbox
                      size="xs"
                      aria-label={`Choose ${props.rowName?.(row.original) ?? row.id}`}
                      checked={row.getIsSelected()}
                      onChange={row.getToggleSelectedHandler()}
                    />
                  </td>
                )}
                {row.getAllCells().map((cell) => (
                  <td key={cell.id} className={classOf(lookOf(cell.column.columnDef.meta))}>
                    <table.FlexRender cell={cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {props.foot && <div className="listing-foot">{props.foot}</div>}
    </div>
  );
}

interface PagerProps {
  readonly page: number;
  readonly perPage: number;
  readonly shown: number;
  readonly total: number | undefined;
  readonly more: boolean;
  readonly go: (page: number) => void;
}

/** `21–40 of 133`, and the pages beside it; a list whose total nobody counts still knows whether more follows. */
export function Pager({ page, perPage, shown, total, more, go }: PagerProps) {
  const first = (page - 1) * perPage + 1;
  const last = (page - 1) * perPage + shown;
  const next = total === undefined ? more : last < total;
  return (
    <>
      <span className="num">
        {shown === 0 ? 'None' : `${first}–${last}`}
        {total === undefined ? '' : ` of ${total.toLocaleString('en')}`}
      </span>
      <Group gap={4}>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label="Previous page"
          disabled={page <= 1}
          onClick={() => go(page - 1)}
        >
          <IconChevronLeft size={18} />
        </ActionIcon>
        <ActionIcon variant="subtle" color="gray" aria-label="Next page" disabled={!next} onClick={() => go(page + 1)}>
          <IconChevronRight size={18} />
        </ActionIcon>
      </Group>
    </>
  );
}
