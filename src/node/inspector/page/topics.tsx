/** The table of topics, with a look at what was published last. */
import { Fragment } from "preact"
import { useState } from "preact/hooks"
import type { Page, TopicHistory, TopicRow, TopicSort } from "../model.js"
import { query } from "./api.js"
import { bytes, count, figure } from "./format.js"
import { usePoll } from "./poll.js"
import { Time } from "./sessions.js"
import { type Column, Filter, Pager, Stale, Table, type View } from "./table.js"

const columns: ReadonlyArray<Column<TopicSort>> = [
  { title: "Topic", sort: "name" },
  { title: "Rate", sort: "rate", numeric: true, hint: "publications a second, over the last ten seconds" },
  {
    title: "Subscribers here",
    sort: "subscribers",
    numeric: true,
    hint: "subscriptions of sessions that are connected to this gateway"
  },
  { title: "Kept", sort: undefined, numeric: true, hint: "publications that its history still has" },
  { title: "Position", sort: "offset", numeric: true, hint: "publications since the log began" }
]

const Look = (props: { readonly topic: string; readonly paused: boolean; readonly now: number }) => {
  const polled = usePoll<TopicHistory>(`history?${query({ topic: props.topic, limit: 10 })}`, 2000, props.paused)
  const { data } = polled
  return (
    <div class="spread">
      <Stale what="publications" polled={polled} />
      {data === undefined ? null : data.publications.length === 0 ? (
        <p class="quiet">Its history is empty.</p>
      ) : (
        <ol class="publications">
          {data.publications.map(({ at, epoch, offset, size, text }) => (
            <li key={`${epoch} ${offset}`}>
              <span class="quiet">
                {count(offset)} · <Time now={props.now} at={at} />
                {size > text.length ? ` · the beginning of ${bytes(size)}` : ""}
              </span>
              <code>{text}</code>
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}

export const Topics = (props: { readonly paused: boolean; readonly now: number }) => {
  const [view, setView] = useState<View<TopicSort>>({ sort: "name", order: "asc", filter: "", page: 1, size: 25 })
  const [open, setOpen] = useState<string | undefined>(undefined)
  const change = (change: Partial<View<TopicSort>>) => setView((before) => ({ ...before, ...change }))
  const polled = usePoll<Page<TopicRow>>(`topics?${query({ ...view })}`, 1000, props.paused)
  const { data } = polled
  const empty =
    data === undefined
      ? "Asking the gateway…"
      : data.rows.length > 0
        ? undefined
        : data.total === 0
          ? "No session follows a topic here."
          : "No topic matches the filter."
  return (
    <section class="block">
      <div class="title">
        <h2>Topics</h2>
        <Filter
          label="Filter topics"
          hint="name"
          testId="topics-filter"
          value={view.filter}
          change={(filter) => change({ filter, page: 1 })}
        />
      </div>
      <Stale what="topics" polled={polled} />
      <Table label="Topics" testId="topics-table" columns={columns} view={view} change={change} empty={empty}>
        {data?.rows.map((row) => (
          <Fragment key={row.name}>
            <tr data-testid="topic-row">
              <th scope="row">
                {row.kept === null ? (
                  <span title="the gateway keeps the history of this topic to itself">{row.name}</span>
                ) : (
                  <button
                    type="button"
                    class="disclose"
                    aria-expanded={open === row.name}
                    onClick={() => setOpen(open === row.name ? undefined : row.name)}
                  >
                    {row.name}
                  </button>
                )}
              </th>
              <td class="numeric">{figure(row.rate)}/s</td>
              <td class="numeric">{count(row.subscribers)}</td>
              <td class="numeric">{row.kept === null ? "–" : count(row.kept)}</td>
              <td class="numeric">{row.offset === null ? "–" : count(row.offset)}</td>
            </tr>
            {open === row.name ? (
              <tr class="detail">
                <td colSpan={columns.length}>
                  <Look topic={row.name} paused={props.paused} now={props.now} />
                </td>
              </tr>
            ) : null}
          </Fragment>
        ))}
      </Table>
      {data === undefined ? null : <Pager prefix="topics-" what="topics" page={data} change={change} />}
    </section>
  )
}
