/** The live table of sessions. */
import { Fragment } from "preact"
import { useState } from "preact/hooks"
import type { Page, SessionDetail, SessionRow, SessionSort } from "../model.js"
import { query } from "./api.js"
import { ago, count, exact, messages, short } from "./format.js"
import { usePoll } from "./poll.js"
import { type Column, Filter, Pager, Stale, Table, type View } from "./table.js"

const columns: ReadonlyArray<Column<SessionSort>> = [
  { title: "Principal", sort: "principal" },
  { title: "Session", sort: "id" },
  { title: "Address", sort: "address" },
  { title: "Since", sort: "since", hint: "when the session came to this gateway" },
  { title: "Last activity", sort: "lastActivity" },
  { title: "Round trip", sort: "roundTrip", numeric: true, hint: "of the last ping that was answered" },
  { title: "Missed", sort: "heartbeatsMissed", numeric: true, hint: "heartbeats that its connection left unanswered" },
  {
    title: "To acknowledge",
    sort: "unacknowledged",
    numeric: true,
    hint: "messages to the client that it has not acknowledged"
  },
  { title: "To handle", sort: "unprocessed", numeric: true, hint: "messages of the client that wait for the handler" },
  { title: "Queued", sort: "queued", numeric: true, hint: "publications that wait for its connection" },
  { title: "Topics", sort: "subscriptions", numeric: true, hint: "subscriptions" },
  { title: "Gen.", sort: "generation", numeric: true, hint: "generation: how many connections have acted for it" },
  { title: "Node", sort: undefined },
  { title: "", sort: undefined }
]

export const Time = (props: { readonly now: number; readonly at: number }) => (
  <time dateTime={new Date(props.at).toISOString()} title={exact(props.at)}>
    {ago(props.now, props.at)}
  </time>
)

const Detail = (props: { readonly id: string; readonly paused: boolean; readonly now: number }) => {
  const polled = usePoll<SessionDetail>(`sessions/${encodeURIComponent(props.id)}`, 1000, props.paused)
  const { data } = polled
  return (
    <div class="spread">
      <Stale what="figures" polled={polled} />
      {data === undefined ? null : (
        <dl class="facts">
          <dt>Session</dt>
          <dd>
            <code>{data.id}</code>
          </dd>
          <dt>Node</dt>
          <dd>
            <code>{data.node}</code>
          </dd>
          <dt>Connected</dt>
          <dd>
            {data.connection === null ? (
              "no: the client is away, and may resume"
            ) : (
              <>
                from {data.connection.address}, <Time now={props.now} at={data.connection.since} />
              </>
            )}
          </dd>
          <dt>Sent again</dt>
          <dd>{count(data.replayed)} messages</dd>
          <dt>Duplicates dropped</dt>
          <dd>{count(data.suppressed)} messages</dd>
          <dt>Subscriptions</dt>
          <dd>{data.topics.length === 0 ? "none" : data.topics.map((topic) => <code key={topic}>{topic} </code>)}</dd>
        </dl>
      )}
    </div>
  )
}

const Row = (props: {
  readonly row: SessionRow
  readonly now: number
  readonly isOpen: boolean
  readonly toggle: () => void
  readonly disconnect: () => void
}) => {
  const { now, row } = props
  const { connection } = row
  return (
    <tr data-testid="session-row" data-session={row.id}>
      <th scope="row">
        <button type="button" class="disclose" aria-expanded={props.isOpen} onClick={props.toggle}>
          {row.principal}
        </button>
      </th>
      <td>
        <code title={row.id}>{short(row.id)}</code>
      </td>
      <td>{connection === null ? <span class="quiet">away</span> : connection.address}</td>
      <td>
        <Time now={now} at={row.since} />
      </td>
      <td>
        {connection === null ? <span class="quiet">away</span> : <Time now={now} at={connection.lastActivity} />}
        {connection?.suspect ? (
          <strong class="suspect" title="a heartbeat is unanswered: the connection may be dead">
            {" "}
            suspect
          </strong>
        ) : null}
      </td>
      <td class="numeric">
        {connection === null || connection.roundTrip === null ? "–" : `${count(connection.roundTrip)} ms`}
      </td>
      <td class="numeric">{connection === null ? "–" : count(connection.heartbeatsMissed)}</td>
      <td class="numeric">{messages(row.unacknowledged)}</td>
      <td class="numeric">{count(row.unprocessed)}</td>
      <td class="numeric">{messages(row.queued)}</td>
      <td class="numeric">{count(row.subscriptions)}</td>
      <td class="numeric">{count(row.generation)}</td>
      <td>
        <code title={row.node}>{short(row.node)}</code>
      </td>
      <td class="action">
        <button
          type="button"
          class="danger"
          data-testid="disconnect"
          aria-label={`Disconnect ${row.principal}, session ${short(row.id)}`}
          onClick={props.disconnect}
        >
          Disconnect…
        </button>
      </td>
    </tr>
  )
}

export const Sessions = (props: {
  readonly paused: boolean
  readonly now: number
  readonly disconnect: (session: SessionRow) => void
}) => {
  const [view, setView] = useState<View<SessionSort>>({ sort: "since", order: "asc", filter: "", page: 1, size: 25 })
  const [open, setOpen] = useState<string | undefined>(undefined)
  const change = (change: Partial<View<SessionSort>>) => setView((before) => ({ ...before, ...change }))
  const polled = usePoll<Page<SessionRow>>(`sessions?${query({ ...view })}`, 1000, props.paused)
  const { data } = polled
  const empty =
    data === undefined
      ? "Asking the gateway…"
      : data.rows.length > 0
        ? undefined
        : data.total === 0
          ? "No sessions live on this gateway."
          : "No session matches the filter."
  return (
    <section class="block">
      <div class="title">
        <h2>Sessions</h2>
        <Filter
          label="Filter sessions"
          hint="principal, address, session id, topic"
          testId="filter"
          value={view.filter}
          change={(filter) => change({ filter, page: 1 })}
        />
      </div>
      <Stale what="sessions" polled={polled} />
      <Table label="Sessions" testId="sessions-table" columns={columns} view={view} change={change} empty={empty}>
        {data?.rows.map((row) => (
          <Fragment key={row.id}>
            <Row
              row={row}
              now={props.now}
              isOpen={open === row.id}
              toggle={() => setOpen(open === row.id ? undefined : row.id)}
              disconnect={() => props.disconnect(row)}
            />
            {open === row.id ? (
              <tr class="detail">
                <td colSpan={columns.length}>
                  <Detail id={row.id} paused={props.paused} now={props.now} />
                </td>
              </tr>
            ) : null}
          </Fragment>
        ))}
      </Table>
      {data === undefined ? null : <Pager prefix="" what="sessions" page={data} change={change} />}
    </section>
  )
}
