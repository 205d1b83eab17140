/** What the connection is doing, and what runs down at this moment. */
import { seconds } from "./captions.js"
import type { Model } from "./model.js"

const words = {
  Connecting: "dialling the server",
  Ready: "connected, and heard from",
  Waiting: "no connection: waiting to try again",
  Ended: "over: nothing will be tried any more"
} as const

const wordsOf = (status: Model["status"]): string =>
  status._tag === "Ready" && status.suspect
    ? "a heartbeat is unanswered: the connection may be dead"
    : words[status._tag]

interface Running {
  readonly label: string
  readonly left: number
  readonly of: number
  readonly kind: "deadline" | "delay"
}

const running = (model: Model, now: number): Running | undefined => {
  const { stats, status } = model
  if (status._tag === "Waiting") {
    const left = Math.min(status.delay, Math.max(0, status.until - now))
    return { label: `next attempt in ${seconds(left)}`, left, of: status.delay, kind: "delay" }
  }
  const connection = stats?.connection
  if (status._tag !== "Ready" || connection === undefined) return undefined
  const { lastActivity, readDeadline } = connection
  const left = Math.min(readDeadline, Math.max(0, lastActivity + readDeadline - now))
  return { label: `read deadline in ${seconds(left)}`, left, of: readDeadline, kind: "deadline" }
}

const RunningDown = ({ kind, label, left, of }: Running) => (
  <div class={`running ${kind}`}>
    <span class="running-label" data-testid="running">
      {label}
    </span>
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${of === 0 ? 0 : (100 * left) / of}%` }} />
    </span>
  </div>
)

export const roundTripOf = (millis: number | undefined): string =>
  millis === undefined ? "–" : millis < 1 ? "under 1 ms" : `${Math.round(millis)} ms`

export const Now = ({
  model,
  now,
  reconnect
}: {
  readonly model: Model
  readonly now: number
  readonly reconnect: () => void
}) => {
  const { session, status } = model
  const current = running(model, now)
  return (
    <div class="now">
      <h2 class="visually-hidden">Now</h2>
      <p class={`status ${status._tag}`}>
        <strong data-testid="status">{status._tag}</strong> <span>{wordsOf(status)}</span>
      </p>
      {current === undefined ? <div class="running" /> : <RunningDown {...current} />}
      <dl class="facts">
        <div>
          <dt>Session</dt>
          <dd data-testid="session" class="id">
            {session?.session ?? "–"}
          </dd>
        </div>
        <div>
          <dt>Connection no.</dt>
          <dd data-testid="generation">{session?.generation ?? "–"}</dd>
        </div>
        <div>
          <dt>Began</dt>
          <dd>
            <span data-testid="start" class={`start ${session?.start._tag ?? ""}`}>
              {session?.start._tag ?? "–"}
            </span>
          </dd>
        </div>
        <div>
          <dt>Round trip</dt>
          <dd data-testid="round-trip">{roundTripOf(model.roundTrip)}</dd>
        </div>
        <div class="try">
          <button type="button" onClick={reconnect} disabled={status._tag !== "Waiting"} data-testid="reconnect">
            Try now
          </button>
        </div>
      </dl>
    </div>
  )
}
