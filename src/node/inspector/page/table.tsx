/** The parts that all tables share: a scrolling frame, headers that sort, a filter, pages, and words for stale figures. */
import type { ComponentChildren } from "preact"
import { useLayoutEffect } from "preact/hooks"
import type { Order, Page } from "../model.js"
import { clock, count } from "./format.js"
import type { Polled } from "./poll.js"

export interface View<Sort extends string> {
  readonly sort: Sort
  readonly order: Order
  readonly filter: string
  readonly page: number
  readonly size: number
}

export interface Column<Sort extends string> {
  readonly title: string
  readonly hint?: string
  /** Undefined for one that cannot be sorted by. */
  readonly sort: Sort | undefined
  readonly numeric?: boolean
}

export type Change<Sort extends string> = (change: Partial<View<Sort>>) => void

const Header = <Sort extends string>(props: {
  readonly column: Column<Sort>
  readonly view: View<Sort>
  readonly change: Change<Sort>
}) => {
  const { change, column, view } = props
  const { sort } = column
  const className = column.numeric === true ? "numeric" : undefined
  if (sort === undefined) {
    return (
      <th scope="col" class={className} title={column.hint}>
        {column.title}
      </th>
    )
  }
  const isSorted = view.sort === sort
  const next: Order = isSorted && view.order === "asc" ? "desc" : "asc"
  return (
    <th
      scope="col"
      class={className}
      aria-sort={isSorted ? (view.order === "asc" ? "ascending" : "descending") : undefined}
    >
      <button
        type="button"
        class="sort"
        title={column.hint}
        data-testid={`sort-${sort}`}
        onClick={() => change({ sort, order: next, page: 1 })}
      >
        {column.title}
        <span class="arrow" aria-hidden="true">
          {isSorted ? (view.order === "asc" ? "▲" : "▼") : ""}
        </span>
      </button>
    </th>
  )
}

/** A row that moves takes the focus along, which moving it in the document would lose. */
const useKeptFocus = () => {
  const focused = document.activeElement
  useLayoutEffect(() => {
    if (focused instanceof HTMLElement && focused.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true })
    }
  })
}

export const Table = <Sort extends string>(props: {
  readonly label: string
  readonly testId: string
  readonly columns: ReadonlyArray<Column<Sort>>
  readonly view: View<Sort>
  readonly change: Change<Sort>
  readonly empty: string | undefined
  readonly children: ComponentChildren
}) => {
  useKeptFocus()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section class="frame" aria-label={props.label} tabIndex={0}>
      <table data-testid={props.testId}>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <Header key={column.title} column={column} view={props.view} change={props.change} />
            ))}
          </tr>
        </thead>
        <tbody>
          {props.empty === undefined ? (
            props.children
          ) : (
            <tr>
              <td colSpan={props.columns.length}>
                <p class="spread quiet">{props.empty}</p>
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  )
}

export const Filter = (props: {
  readonly label: string
  readonly hint: string
  readonly testId: string
  readonly value: string
  readonly change: (filter: string) => void
}) => (
  <label class="filter">
    <span>{props.label}</span>
    <input
      type="search"
      value={props.value}
      placeholder={props.hint}
      maxLength={300}
      data-testid={props.testId}
      onInput={(event) => props.change(event.currentTarget.value)}
    />
  </label>
)

const sizes = [25, 50, 100, 200]

export const Pager = (props: {
  /** Before the test ids, where there are several tables. */
  readonly prefix: string
  readonly what: string
  readonly page: Page<unknown>
  readonly change: (change: { readonly page?: number; readonly size?: number }) => void
}) => {
  const { change, page: shown, prefix, what } = props
  const { matching, page, pages, size, total } = shown
  const first = matching === 0 ? 0 : (page - 1) * size + 1
  const last = Math.min(matching, page * size)
  return (
    <nav class="pager" aria-label={`Pages of ${what}`}>
      <button
        type="button"
        data-testid={`${prefix}prev-page`}
        disabled={page <= 1}
        onClick={() => change({ page: page - 1 })}
      >
        ‹ Previous
      </button>
      <span data-testid={`${prefix}page-info`}>
        {count(first)}–{count(last)} of {count(matching)} {what}
        {matching < total ? ` (${count(total)} in all)` : ""}
      </span>
      <button
        type="button"
        data-testid={`${prefix}next-page`}
        disabled={page >= pages}
        onClick={() => change({ page: page + 1 })}
      >
        Next ›
      </button>
      <label>
        <span>Rows</span>{" "}
        <select value={size} onChange={(event) => change({ page: 1, size: Number(event.currentTarget.value) })}>
          {sizes.map((size) => (
            <option key={size} value={size}>
              {size}
            </option>
          ))}
        </select>
      </label>
    </nav>
  )
}

/** Says that what is shown is old, and why. */
export const Stale = (props: { readonly what: string; readonly polled: Polled<unknown> }) => {
  const { at, data, error } = props.polled
  if (error === undefined) return null
  const age = data === undefined ? `There are no ${props.what} yet` : `These ${props.what} are from ${clock(at)}`
  return (
    <p class="stale" role="alert">
      {age}: {error}.
    </p>
  )
}
